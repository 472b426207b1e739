"""Questions that are put to many runs, or to other people's code."""
