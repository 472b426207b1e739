"""What a server does with the updates it receives, one file each: checks and aggregation rules."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
