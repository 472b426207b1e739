"""Working on a Ray cluster: connecting to it, an engine and an executor for it, and what they send."""
