"""Explanations of models: attributions, their similarity, and whether they betray an attack."""
