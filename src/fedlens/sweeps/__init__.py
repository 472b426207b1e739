"""Sweeps: many experiments from one description, each played once, on this machine or on several."""
