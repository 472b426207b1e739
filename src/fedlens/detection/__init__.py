"""Checks by which a server could notice an attack, one file each."""
