"""What tells experiments apart: all that changes a result, in the form in which version 0.1 described it.

Runs, benign twins and cells of sweeps are found again by this digest, so an experiment that 0.1 could describe keeps
it: a field that 0.1 did not have is left out at its default (`fedlens.core.config.Config.later`), and whoever renames
an option or a value maps it back here. `tests/identities.json` has the identities of all presets.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from typing import Any

from fedlens.core.bytecode import has_file
from fedlens.core.code import digest as digest_code
from fedlens.core.config import Config, identifying


def relevant(experiment: Config, components: Iterable[tuple[str, Config]], untold: Collection[str]) -> dict[str, Any]:
    """Return the part of an experiment's description that changes its result.

    Args:
        experiment: the experiment.
        components: those of the experiment, with their kinds; of the kind ``checks`` there may be several.
        untold: fields that are for people alone, or are told in another form.
    """
    every = experiment.model_dump(mode="json")
    described = identifying(experiment, {name: value for name, value in every.items() if name not in untold})
    checks: list[dict[str, Any]] = []
    for kind, component in components:
        if kind == "checks":
            checks.append(identifying(component, described["checks"][len(checks)]))
        else:
            described[kind] = identifying(component, described[kind])
    return described | {"checks": checks}


def digest(relevant: dict[str, Any], components: Iterable[tuple[str, Config]]) -> str:
    """Digest what is relevant of an experiment.

    A component without a file, as of a notebook, counts by what it does, for its name is soon another's.
    """
    text = json.dumps(relevant, sort_keys=True, ensure_ascii=False)
    if without := [type(component) for _, component in components if not has_file(type(component).__module__)]:
        text += digest_code(without)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
