"""The one description of a run, its presets, and what is fixed before its first round."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
