"""What federations send, whatever framework they run: named arrays, and folders in which they are logged."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
