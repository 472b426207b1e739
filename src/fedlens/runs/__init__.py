"""The run directory: written round by round, read and resumed."""
