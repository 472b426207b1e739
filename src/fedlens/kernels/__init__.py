"""Fast tensor code that you need not read to understand fedlens; each file names its plain version."""
