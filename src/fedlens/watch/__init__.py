"""``fedlens watch``: runs in a browser, updated while they go on."""
