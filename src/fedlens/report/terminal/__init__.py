"""What the terminal shows: tables, progress, lists."""
