"""Attacks of one malicious client, one file each."""
