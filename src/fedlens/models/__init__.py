"""The paper's networks, smaller ones for CPUs, and modules as flat vectors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
