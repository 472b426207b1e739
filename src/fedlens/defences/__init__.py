"""Checks and aggregation rules that a server applies to the updates it receives."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
