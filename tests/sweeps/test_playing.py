from pathlib import Path

import pandas as pd
from small import small

import fedlens
from fedlens.config import validate
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.playing import SweepMeans, play


def test_a_sweep_makes_the_runs_that_run_makes_and_never_again(tmp_path: Path) -> None:
    grid = validate(Grid, {"experiment": small(rounds=2).describe(), "product": {"seed": [0, 1]}})
    for _ in range(2):
        sweep = play(grid, grid.cells(), tmp_path / "sweep", means=SweepMeans(jobs=2))
        assert sweep.failures == []
    for seed, cell in enumerate(sweep.cells):
        fedlens.run(small(rounds=2, seed=seed), tmp_path / str(seed))
        made = sweep.place.of(cell)
        assert (made / "rounds.jsonl").read_bytes() == (tmp_path / str(seed) / "rounds.jsonl").read_bytes()
        assert (made / "environment.jsonl").read_bytes().count(b"\n") == 1
    table = pd.read_parquet(tmp_path / "sweep" / "rounds.parquet")
    assert list(table.columns[:5]) == ["cell", "seed", "target.draw", "target_index", "round"]
    assert list(table["seed"]) == [0, 0, 1, 1]
