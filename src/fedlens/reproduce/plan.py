"""What has to be run for which of the paper's claims: panels of its figures × seeds × targets."""

import re
from collections.abc import Iterable, Sequence
from itertools import product

from fedlens.config import nearest
from fedlens.errors import ConfigError
from fedlens.loading import load_experiment
from fedlens.presets import Scale, presets
from fedlens.reproduce.claims import claims
from fedlens.sweeps.cell import Cell


def panels(wanted: Sequence[str] = ()) -> list[str]:
    """The names of the panels that the wanted figures (``fig4``), panels or claims (``C7``) need; by default of all.

    Raises:
        ConfigError: there is no such figure, panel or claim.
    """
    every = [name for name, preset in presets().items() if preset.full is not None]
    needed = {number: {name for part in claim.parts for name in part.of} for number, claim in claims().items()}
    for name in every:
        needed.setdefault(name, set()).add(name)
        needed.setdefault(name.partition("-")[0], set()).add(name)
    for number, claim in claims().items():
        for figure in re.findall(r"\d+", str(claim.figure)):
            needed.setdefault(f"fig{figure}", set()).update(needed[number])
    found = set() if wanted else set(every)
    for word in wanted:
        if word not in needed:
            raise ConfigError(f"there is no figure, panel or claim {word!r}; {nearest(word, needed)}")
        found |= needed[word]
    return [name for name in every if name in found]


def preset_of(panel: str, scale: Scale) -> str:
    """The preset that a panel is run by at this scale."""
    return panel if scale == "quick" else str(presets()[panel].full)


def plan(names: Sequence[str], scale: Scale, seeds: Iterable[int], targets: Iterable[int]) -> list[Cell]:
    """The cells for these panels, all panels for the first seed and target before the second of either.

    Of these the most expensive come first, so that at the end there are small ones to share out.

    Args:
        names: panels, as `panels` gives them.
        scale: whose model, E and T.
        seeds: which seeds.
        targets: which of each seed's draws of a target.
    """
    cells = []
    by_cost = sorted(names, key=lambda name: -(presets()[preset_of(name, scale)].minutes or 0))
    for seed, draw in sorted(product(seeds, targets), key=lambda case: (case[1], case[0])):
        for name in by_cost:
            values = {"name": name, "seed": seed, "target.draw": draw}
            experiment = load_experiment(preset_of(name, scale), [f"seed={seed}", f"target.draw={draw}"])
            cells.append(Cell(values, experiment))
    return cells


def cost(cells: Iterable[Cell], scale: Scale) -> float:
    """What these cells of a `plan` take in minutes on 2 cores, without their benign twins."""
    once = {cell.key: preset_of(str(cell.values["name"]), scale) for cell in cells}
    return sum(presets()[name].minutes or 0 for name in once.values())
