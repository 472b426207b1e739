"""ByzFL's aggregators (https://byzfl.epfl.ch), an independent implementation to compare ours with."""

import importlib
import sys
import warnings
from importlib.util import find_spec
from types import ModuleType


def byzfl_aggregators() -> ModuleType:
    """ByzFL's module of aggregators; with NumPy arrays they compute in float64.

    The package itself imports its benchmark, which wants torchvision and seaborn. An empty package in its place keeps
    that from happening, and finds the parts that aggregators need.

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
        return importlib.import_module("byzfl.aggregators")
