"""Explanations of models: attributions, how alike they are, and whether they betray an attack."""
