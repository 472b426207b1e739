"""What has to be run for which of the paper's claims: panels of its figures × seeds × targets."""

import re
from collections.abc import Iterable, Sequence
from itertools import product

from fedlens.core.errors import ConfigError
from fedlens.core.suggest import nearest
from fedlens.experiment.presets import SCALES, Scale, order, presets
from fedlens.runs.loading import load_experiment
from fedlens.studies.paper.claims import claims
from fedlens.sweeps.cell import Cell

NEGATIVE = "negative"
"""Names all negative controls, which are run by request only: they double the cost of a claim."""


def panels(wanted: Sequence[str] = (), scale: Scale = "quick") -> list[str]:
    """The names of the panels at a scale that the wanted figures (``fig4``), panels or claims (``C7``) need.

    By default these are all but the negative controls, which ``negative`` names.

    Raises:
        ConfigError: there is no such figure, panel or claim, or it has no panel at this scale.
    """
    every = every_panel("quick")
    needed = {number: {name for part in claim.parts for name in part.of} for number, claim in claims().items()}
    for name in every:
        needed.setdefault(name, set()).add(name)
        group = name.partition("-")[0] if presets()[name].negative is None else NEGATIVE
        needed.setdefault(group, set()).add(name)
    for number, claim in claims().items():
        for figure in re.findall(r"\d+", str(claim.figure)) if re.fullmatch(r"[\d, ]+", str(claim.figure)) else ():
            needed.setdefault(f"fig{figure}", set()).update(needed[number])
    there = every_panel(scale)
    found = set() if wanted else {name for name in there if presets()[name].negative is None}
    for word in wanted:
        if word not in needed:
            remedy = nearest(word, needed, listing="`fedlens list presets`")
            raise ConfigError(f"there is no figure, panel or claim {word!r}; {remedy}")
        if not needed[word] & set(there):
            others = [other for other in SCALES if any(other in presets()[name].scales for name in needed[word])]
            raise ConfigError(f"{word}: nothing of it is run at scale {scale}; try --scale {others[0]}")
        found |= needed[word]
    return [name for name in there if name in found]


def every_panel(scale: Scale) -> list[str]:
    """The names of all panels at a scale, negative controls included."""
    named = (name for name, preset in presets().items() if name == preset.scales.get("quick"))
    return [name for name in named if scale in presets()[name].scales]


def negatives(scale: Scale) -> dict[str, dict[str, str]]:
    """For each attacked panel the panels, by kind, that are the same but for an attack without effect in its place."""
    every = {name: load_experiment(preset_of(name, scale)) for name in every_panel(scale)}
    kinds = {name: preset.negative[1] for name in every if (preset := presets()[name]).negative is not None}
    attacks = {kind: every[name].attack for name, kind in kinds.items()}
    by_identity = {every[name].identity(): name for name in kinds}
    found: dict[str, dict[str, str]] = {}
    for name, experiment in every.items():
        if experiment.attack is None or name in kinds:
            continue
        for kind, attack in attacks.items():
            if panel := by_identity.get(experiment.model_copy(update={"attack": attack}).identity()):
                found.setdefault(name, {})[kind] = panel
    return found


def preset_of(panel: str, scale: Scale) -> str:
    """The preset that a panel is run by at this scale, which it must have."""
    return presets()[panel].scales[scale]


def plan(names: Sequence[str], scale: Scale, seeds: Iterable[int], targets: Iterable[int]) -> list[Cell]:
    """The cells for these panels, all panels for the first seed and target before the second of either.

    Of these, runs without attack come first, for they leave the benign twin of others; then the most expensive ones, so
    that at the end there are small ones to share out, or those that the scale puts first.

    Args:
        names: panels, as `panels` gives them.
        scale: whose model, E and T.
        seeds: which seeds.
        targets: which of each seed's draws of a target; a run without attack has none, and is there once for each seed.
    """
    first = {name: place for place, name in enumerate(order(scale))}
    attacked = {name: load_experiment(preset_of(name, scale)).attack is not None for name in names}

    def rank(name: str) -> tuple[bool, int, float]:
        return attacked[name], first.get(name, len(first)), -(presets()[preset_of(name, scale)].minutes or 0)

    in_turn = sorted(names, key=rank)
    cases = sorted(product(seeds, targets), key=lambda case: (case[1], case[0]))
    every = ((name, seed, draw if attacked[name] else 0) for seed, draw in cases for name in in_turn)
    return [_cell(name, preset_of(name, scale), seed, draw) for name, seed, draw in dict.fromkeys(every)]


def _cell(name: str, preset: str, seed: int, draw: int) -> Cell:
    experiment = load_experiment(preset, [f"seed={seed}", f"target.draw={draw}"])
    return Cell({"name": name, "seed": seed, "target.draw": draw}, experiment)


def cost(cells: Iterable[Cell], scale: Scale) -> float:
    """What these cells of a `plan` take in minutes on 2 cores, without their benign twins."""
    once = {cell.key: preset_of(str(cell.values["name"]), scale) for cell in cells}
    return sum(presets()[name].minutes or 0 for name in once.values())
