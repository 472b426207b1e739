"""Local training of honest clients: optimizers, one client at a time or several in a stack."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
