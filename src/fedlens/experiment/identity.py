"""What tells experiments apart: all that changes a result, in the form in which version 0.1 described it.

Runs, benign twins and cells of sweeps are found again by this digest, so an experiment that 0.1 could describe keeps
it: a field that 0.1 did not have is left out at its default (`fedlens.core.config.Config.later`), and whoever renames
an option or a value maps it back here. `tests/identities.json` has the identities of all presets.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fedlens.core.bytecode import has_file
from fedlens.core.code import digest as digest_code
from fedlens.core.config import Config, identifying


def relevant(
    experiment: Config, components: Mapping[str, Config | tuple[Config, ...]], untold: Collection[str]
) -> dict[str, Any]:
    """Return the part of an experiment's description that changes its result.

    Args:
        experiment: the experiment.
        components: its components by the options that hold them; a tuple where an option holds a list.
        untold: fields that are for people alone, or are told in another form.
    """
    every = experiment.model_dump(mode="json")
    described = identifying(experiment, {name: value for name, value in every.items() if name not in untold})
    for option, held in components.items():
        if isinstance(held, tuple):
            described[option] = [identifying(*pair) for pair in zip(held, described[option], strict=True)]
        else:
            described[option] = identifying(held, described[option])
    return described


def with_attackers(described: dict[str, Any], who: dict[str, Any] | int | None) -> dict[str, Any]:
    """Return a relevant description with the attackers told as `who`, as the option ``attack.client`` if that can."""
    if isinstance(who, dict):
        return described | {"attackers": who}
    rest = {name: value for name, value in described.items() if name != "attackers"}
    return rest | {"attack": described["attack"] | {"client": who}}


def digest(relevant: dict[str, Any], components: Iterable[tuple[str, Config]]) -> str:
    """Digest what is relevant of an experiment.

    A component without a file, as of a notebook, counts by what it does, for its name is soon another's.
    """
    text = json.dumps(relevant, sort_keys=True, ensure_ascii=False)
    if without := [type(component) for _, component in components if not has_file(type(component).__module__)]:
        text += digest_code(without)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
