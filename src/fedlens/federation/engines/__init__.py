"""Who does a round's jobs: this process, or several."""

from fedlens.federation.engines.engine import Engine, make_engine

__all__ = ["Engine", "make_engine"]
