"""What a server does with the updates it receives, one file each: checks and aggregation rules."""
