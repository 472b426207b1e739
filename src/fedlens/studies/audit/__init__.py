"""How far an experiment's server can be broken: every attack tried, beside placebos and planted weaknesses."""
