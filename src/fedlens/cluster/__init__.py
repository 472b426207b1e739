"""A Ray cluster to work on: connecting to it, what goes along with the work, and of what kind its nodes are."""

from fedlens.cluster.connection import Cluster, connected
from fedlens.cluster.modules import modules_of

__all__ = ["Cluster", "connected", "modules_of"]
