"""The one description of a run, its presets, and what is fixed before its first round."""
