"""What everything else rests on: configuration, names of components, random streams, errors, files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
