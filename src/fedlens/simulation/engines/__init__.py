"""Engines, which do a round's jobs: in this process or several, one client at a time or in stacks."""

from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.engines.engine import Engine

__all__ = ["Engine", "choose_engine"]
