"""Making the cells of a grid."""

from collections.abc import Mapping
from typing import Any

from fedlens.core.errors import ConfigError
from fedlens.core.registry import Description
from fedlens.experiment.cell import Cell, Values, label
from fedlens.runs.loading import experiment_of, put


def make_cell(base: Mapping[str, Any], shared: Values, values: Values, source: Description = Description()) -> Cell:  # noqa: B008 - it is frozen
    """Return the cell with these values, whether or not its experiment is possible.

    An option of a component that is ``none`` in this cell (``attack.boost`` where ``attack`` is ``none``) does not
    apply, and is left out.

    Args:
        base: the experiment that all cells begin from.
        shared: options that all cells have.
        values: what sets this one apart.
        source: where to look for the modules that they name.
    """
    not_applicable = tuple(f"{option}." for option, value in values.items() if label(value) == "none")
    values = {option: value for option, value in values.items() if not option.startswith(not_applicable)}
    described = dict(base)
    names_in_errors = {option: f"options.{option}" for option in shared if not option.startswith(not_applicable)}
    names_in_errors |= {option: option for option in values}
    try:
        for option in sorted(names_in_errors, key=lambda option: option.count(".")):  # a component before its options
            described = put(described, option, {**shared, **values}[option], names_in_errors[option])
        return Cell(values, experiment_of(described, source))
    except ConfigError as error:
        return Cell(values, None, str(error))
