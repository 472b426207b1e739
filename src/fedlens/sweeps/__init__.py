"""Sweeps: many experiments from one description, each run once, on this machine or on several."""
