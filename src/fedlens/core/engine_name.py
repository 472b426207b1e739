"""What engines are called, for those who name one without working with it."""

from typing import Literal

EngineName = Literal["auto", "serial", "processes", "vectorised", "ray"]
