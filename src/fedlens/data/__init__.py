"""Data sets, and how their samples are dealt to the clients."""
