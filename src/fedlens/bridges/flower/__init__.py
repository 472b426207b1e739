"""Flower federations: attacked, screened, and their strategies in the simulator (extra ``flower``)."""

import lazy_loader

from fedlens.bridges.flower.compat import FLOWER as FLOWER  # which refuses versions that were not tried

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
