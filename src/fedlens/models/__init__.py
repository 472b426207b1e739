"""The paper's networks, smaller ones for CPUs, and what turns a module into a flat vector."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
