"""The simulation: rounds, the server's step, benign twin and placebo."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
