"""Flower has an environment of its own, in which these tests run; elsewhere there is nothing to test."""

import warnings
from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("flwr") else ["test_*.py"]

if find_spec("flwr"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of click, by the version of typer that Flower wants
        import flwr.server.strategy
        import flwr.serverapp.strategy  # noqa: F401
