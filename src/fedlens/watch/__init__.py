"""Runs looked at in a browser while they are being made: ``fedlens watch``."""
