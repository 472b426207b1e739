"""ByzFL's parts (https://byzfl.epfl.ch), an independent implementation to compare ours with."""

import importlib
import sys
import warnings
from importlib.util import find_spec
from types import ModuleType


def byzfl_aggregators() -> ModuleType:
    """ByzFL's module of aggregators; with NumPy arrays they compute in float64.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return part_of_byzfl("aggregators")


def byzfl_training() -> ModuleType:
    """ByzFL's module of clients and servers.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return part_of_byzfl("fed_framework")


def part_of_byzfl(name: str) -> ModuleType:
    """ByzFL's module of this name.

    The package itself imports its benchmark, which wants torchvision and seaborn. An empty package in its place keeps
    that from happening, and finds the other parts.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if "byzfl" not in sys.modules:
        spec = find_spec("byzfl")
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError("byzfl is not installed: make test installs it")
        package = ModuleType("byzfl")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["byzfl"] = package
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown escapes in its docstrings, when they are first compiled
        return importlib.import_module(f"byzfl.{name}")
