"""Local training of honest clients: optimizers, one client at a time or several in a stack."""
