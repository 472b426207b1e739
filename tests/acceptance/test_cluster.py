"""A sweep of two hundred census runs over a Ray cluster of two nodes, one of which is killed in the middle."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.doomed import doomed_node

from fedlens import sweep
from fedlens.core.config import validate
from fedlens.simulation.callback import Callback, Event
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.sweep import Sweep

pytest.importorskip("ray", reason="needs fedlens[ray]")
pytestmark = pytest.mark.acceptance

GRID = {
    "name": "two-hundred",
    "experiment": "fig7-alternating",
    "options": {
        "rounds": 2,
        "partition": {"name": "iid", "samples": 3000},
        "local.epochs": 1,
        "target.select": "random",
    },
    "product": {
        "attack": [
            "none",
            {"name": "explicit-boosting", "boost": 2},
            "data-poisoning",
            {"name": "alternating-minimisation", "epochs": 2, "boost": 2, "estimate": "pre"},
        ],
        "aggregation": ["mean", {"name": "krum", "f": 1}],
        "seed": list(range(25)),
    },
}
COMPARED = (
    "experiment.yaml",
    "target.json",
    "rounds.jsonl",
    "best.safetensors",
    "final.safetensors",
    "checkpoint.safetensors",
)


class Counting(Callback):
    """Counts what begins, and says when so many cells are done."""

    def __init__(self, reached: Path, when: int) -> None:
        self.reached, self.when = reached, when
        self.began: Counter[str] = Counter()
        self.done = 0

    def event(self, event: Event) -> None:
        if event.kind == "began" and event.content["control"] is None:
            self.began[event.key] += 1
        self.done += event.kind == "finished"
        if self.done == self.when:
            self.reached.touch()


def contents(result: Sweep) -> dict[tuple[str, str], bytes]:
    return {(run.path.name, name): (run.path / name).read_bytes() for _, run in result.look()[0] for name in COMPARED}


@pytest.mark.timeout(3600)
def test_every_cell_has_the_bits_of_a_local_sweep_though_a_node_is_killed(
    machines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = validate(Grid, GRID)
    observer = Counting(tmp_path / "reached", when=80)
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "far-cache"))
    with doomed_node(machines, tmp_path):
        far = sweep(grid, tmp_path / "far", on="ray", address=machines.address, observer=observer)
    assert far.failures == []
    assert observer.done == 200
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "near-cache"))
    near = sweep(grid, tmp_path / "near")
    assert len(near.look()[0]) == 200
    expected, found = contents(near), contents(far)
    assert found.keys() == expected.keys()
    assert [key for key, content in expected.items() if found[key] != content] == []
    print(f"200 cells, {sum(times > 1 for times in observer.began.values())} begun again, {len(found)} files equal")
