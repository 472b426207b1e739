from .config import Config as Config
from .layout import Layout as Layout
from .layout import Slice as Slice
from .random import Address as Address
