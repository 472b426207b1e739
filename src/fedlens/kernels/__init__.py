"""Fast tensor code that nobody has to read to understand fedlens; each file names its plain version."""
