"""The measures of a run for the paper's claims; each returns a number, and the control's if there is one.

"Acted" rounds are those in which the malicious client attacked.
"""

from collections.abc import Mapping
from functools import partial
from inspect import isfunction
from types import ModuleType

from fedlens.studies.paper import measures_of_accuracy as accuracy
from fedlens.studies.paper import measures_of_confidence as backdoor
from fedlens.studies.paper import measures_of_server as server
from fedlens.studies.paper import measures_of_updates as updates
from fedlens.studies.paper.measure_result import Measure, Measured

__all__ = ["MEASURES", "OF_EXPLANATIONS", "Measure", "Measured"]

CHECKS = ("accuracy", "statistics", "distances")

OF_EXPLANATIONS = ("explained_others", "explained_targets")
"""The measures of all runs of a panel together (`fedlens.studies.paper.explained`)."""


def _measures_in(module: ModuleType) -> dict[str, Measure]:
    """Return a module's public functions by name: each is a measure."""
    functions = {name: value for name, value in vars(module).items() if isfunction(value) and name[0] != "_"}
    return {name: function for name, function in functions.items() if function.__module__ == module.__name__}


MEASURES: Mapping[str, Measure] = {
    **_measures_in(backdoor),
    **_measures_in(accuracy),
    **_measures_in(updates),
    "chosen_rounds": server.chosen_rounds,
    **{f"{check}_flagged_rounds": partial(server.flagged_rounds, check=check) for check in CHECKS},
    **{f"{check}_false_alarms": partial(server.false_alarms, check=check) for check in CHECKS},
}
