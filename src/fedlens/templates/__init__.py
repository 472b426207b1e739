"""Files that ``fedlens new`` writes: a part of each kind that runs as it is, to be changed."""
