"""Who does a round's jobs: this process, or several, a client after another or side by side."""

from fedlens.federation.engines.choice import make_engine
from fedlens.federation.engines.engine import Engine

__all__ = ["Engine", "make_engine"]
