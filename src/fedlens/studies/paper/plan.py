"""The plan of the runs that the paper's claims need: panels of its figures × seeds × targets."""

import re
from collections.abc import Iterable, Sequence
from itertools import product

from fedlens.core.errors import ConfigError
from fedlens.core.suggest import nearest
from fedlens.experiment.cell import Cell
from fedlens.experiment.presets import SCALES, Scale, order, presets
from fedlens.runs.loading import load_experiment
from fedlens.studies.paper.claims import claims

NEGATIVE = "negative"
"""The name for all negative controls, which are run on request only, since they double the cost of a claim."""


def panels(wanted: Sequence[str] = (), scale: Scale = "quick") -> list[str]:
    """Return the panels at a scale that the wanted figures (``fig4``), panels or claims (``C7``) need.

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
    at_scale = every_panel(scale)
    chosen = set() if wanted else {name for name in at_scale if presets()[name].negative is None}
    for word in wanted:
        if word not in needed:
            remedy = nearest(word, needed, listing="`fedlens list presets`")
            raise ConfigError(f"there is no figure, panel or claim {word!r}; {remedy}")
        if not needed[word] & set(at_scale):
            others = [other for other in SCALES if any(other in presets()[name].scales for name in needed[word])]
            raise ConfigError(f"{word}: nothing of it is run at scale {scale}; try --scale {others[0]}")
        chosen |= needed[word]
    return [name for name in at_scale if name in chosen]


def every_panel(scale: Scale) -> list[str]:
    """Return the names of all panels at a scale, negative controls included."""
    names = (name for name, preset in presets().items() if name == preset.scales.get("quick"))
    return [name for name in names if scale in presets()[name].scales]


def negatives(scale: Scale) -> dict[str, dict[str, str]]:
    """Return, for each attacked panel, the panels (by kind) that differ only in an attack without effect."""
    every = {name: load_experiment(preset_of(name, scale)) for name in every_panel(scale)}
    kinds = {name: preset.negative[1] for name in every if (preset := presets()[name]).negative is not None}
    attacks = {kind: every[name].attack for name, kind in kinds.items()}
    by_identity = {every[name].identity(): name for name in kinds}
    negative_panels: dict[str, dict[str, str]] = {}
    for name, experiment in every.items():
        if experiment.attack is None or name in kinds:
            continue
        for kind, attack in attacks.items():
            if panel := by_identity.get(experiment.model_copy(update={"attack": attack}).identity()):
                negative_panels.setdefault(name, {})[kind] = panel
    return negative_panels


def preset_of(panel: str, scale: Scale) -> str:
    """Return the preset of a panel at this scale, which the panel must have."""
    return presets()[panel].scales[scale]


def plan(names: Sequence[str], scale: Scale, seeds: Iterable[int], targets: Iterable[int]) -> list[Cell]:
    """Return the cells for these panels, all panels for the first seed and target before the second of either.

    Within a case, runs without attack come first, since they leave the benign twin of others; then those that the scale
    puts first; then the most expensive ones, so that small ones are left to share out at the end.

    Args:
        names: panels, as `panels` gives them.
        scale: the scale, which determines model, E and T.
        seeds: the seeds.
        targets: the draws of targets of each seed; a run without attack has none, and is run once for each seed.
    """
    rank_at_scale = {name: rank for rank, name in enumerate(order(scale))}
    attacked = {name: load_experiment(preset_of(name, scale)).attack is not None for name in names}

    def rank(name: str) -> tuple[bool, int, float]:
        return (
            attacked[name],
            rank_at_scale.get(name, len(rank_at_scale)),
            -(presets()[preset_of(name, scale)].minutes or 0),
        )

    in_turn = sorted(names, key=rank)
    cases = sorted(product(seeds, targets), key=lambda case: (case[1], case[0]))
    every = ((name, seed, draw if attacked[name] else 0) for seed, draw in cases for name in in_turn)
    return [_cell(name, preset_of(name, scale), seed, draw) for name, seed, draw in dict.fromkeys(every)]


def _cell(name: str, preset: str, seed: int, draw: int) -> Cell:
    experiment = load_experiment(preset, [f"seed={seed}", f"target.draw={draw}"])
    return Cell({"name": name, "seed": seed, "target.draw": draw}, experiment)


def cost(cells: Iterable[Cell], scale: Scale) -> float:
    """Return the minutes that these cells of a `plan` take on 2 cores, without their benign twins."""
    once = {cell.key: preset_of(str(cell.values["name"]), scale) for cell in cells}
    return sum(presets()[name].minutes or 0 for name in once.values())
