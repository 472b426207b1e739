"""Three panels that train on digits, of which the first two are the same experiment."""

from pathlib import Path

import pytest
from small import small

from fedlens.experiment.presets import Preset, Scale
from fedlens.runs import loading
from fedlens.studies.paper import plan as planning
from fedlens.studies.paper.plan import plan
from fedlens.studies.paper.reproduction import grid_of
from fedlens.sweeps.sweep import Sweep, run_cells
from fedlens.sweeps.sweep_runtime import SweepRuntime

PANELS = ("fig7-explicit", "fig9-explicit", "fig7-alternating")


def use_tiny(patch: pytest.MonkeyPatch) -> None:
    """Put them in the place of all presets, at both scales."""
    quick = small(
        control=True, target={"select": "random"}, checks=["statistics", "distances"], rounds=2, clients=5
    ).describe()
    alternating = {**quick, "attack": {"name": "alternating-minimisation", "epochs": 1, "ls": 2}}
    found: dict[str, Preset] = {}
    for name in PANELS:
        values = alternating if "alternating" in name else quick
        scales: dict[Scale, str] = {"quick": name, "paper": f"{name}-paper"}
        found[name] = Preset({**values, "name": name}, minutes=1, scales=scales)
        found[f"{name}-paper"] = Preset({**values, "rounds": 3}, minutes=60, scales=scales)
    patch.setattr(planning, "presets", lambda: found)
    patch.setattr(loading, "presets", lambda: found)


def run(folder: Path, names: list[str], seeds: int, targets: int) -> Sweep:
    """Make the runs of these panels that are not in the reproduction's directory yet."""
    return run_cells(
        grid_of(names, "quick"),
        plan(names, "quick", range(seeds), range(targets)),
        folder,
        runtime=SweepRuntime(jobs=2),
    )
