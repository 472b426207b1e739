"""Who does a round's jobs: this process, or several, a client after another or side by side."""

from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.engine import Engine

__all__ = ["Engine", "choose_engine"]
