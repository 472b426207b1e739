"""Whether somebody's rule is the one that it is called after: put to our cases, and told where it differs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
