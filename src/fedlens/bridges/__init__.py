"""Ways from fedlens to federations that somebody else's framework runs."""
