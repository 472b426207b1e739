"""Ray clusters: connecting to one, an engine and an executor for it, and the objects that they send."""
