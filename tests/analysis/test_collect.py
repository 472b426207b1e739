import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.made_sweeps import sweep
from small import small

import fedlens
from fedlens.analysis.collect import collect
from fedlens.core.errors import ConfigError, DamagedRunError, RunError


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs that differ in the boosting factor, in the seed, and in nothing but their names."""
    folder = tmp_path_factory.mktemp("runs")
    boosts = {"two": 2, "five": 5, "again": 2}
    for name, boost in boosts.items():
        attack = {"name": "explicit-boosting", "boost": boost, "step_cap": 5}
        fedlens.run(small(rounds=2, attack=attack, name=name, seed=int(name == "five")), folder / name, engine="serial")
    return [folder / name for name in boosts]


def test_a_sweep_is_its_table(tmp_path: Path) -> None:
    path = sweep(tmp_path / "rules", {"aggregation": ["mean", "krum(f=1)"], "attack.boost": [2, 5]})
    found = collect([path])
    written = pd.read_parquet(path / "rounds.parquet")
    pd.testing.assert_frame_equal(found.table[written.columns], written.astype({"attack_reason": float}))
    assert set(found.table["path"]) == {str(path)}
    assert found.fields == ["path", "aggregation", "attack.boost", "seed", "target.draw", "target_index"]
    assert found.varying == ["aggregation", "attack.boost"]
    assert not found.remarks


def test_single_runs_have_columns_for_what_differs(runs: list[Path]) -> None:
    found = collect(runs[:2])
    assert found.varying == ["attack.boost"]
    shown = found.table.groupby("path", sort=False)[["attack.boost", "seed", "target.draw"]].first()
    assert shown.to_numpy().tolist() == [[2, 0, 0], [5, 1, 0]]
    for path in runs[:2]:
        run = fedlens.load_run(path)
        mine = found.table[found.table["path"] == str(path)]
        assert mine["confidence"].tolist() == run.rounds["confidence"].tolist()
        assert set(mine["target_index"]) == {str(run.target.index[0])}


def test_what_is_wanted_has_a_column_though_it_does_not_vary(runs: list[Path]) -> None:
    assert set(collect(runs[:1], {"aggregation"}).table["aggregation"]) == {"mean"}
    assert set(collect(runs[:2], {"attack"}).table["attack"]) == {
        "explicit-boosting(boost=2, step_cap=5)",
        "explicit-boosting(boost=5, step_cap=5)",
    }


def test_a_run_that_is_there_twice_counts_once(runs: list[Path]) -> None:
    found = collect([runs[0], runs[2], runs[0]])
    assert len(found.table) == 2
    assert found.remarks == ("1 of the runs are there more than once; each counts once",)


def test_an_unfinished_run_counts_and_is_told(runs: list[Path], tmp_path: Path) -> None:
    for name in ("experiment.yaml", "target.json"):
        (tmp_path / name).write_text((runs[0] / name).read_text())
    (tmp_path / "rounds.jsonl").write_text((runs[0] / "rounds.jsonl").read_text().splitlines(keepends=True)[0])
    found = collect([tmp_path])
    assert found.table["round"].tolist() == [1]
    assert found.remarks == (f"{tmp_path} is not finished: 1 of 2 rounds",)


def test_what_one_sweep_has_no_column_for_is_looked_up_in_its_runs(tmp_path: Path, runs: list[Path]) -> None:
    rules = sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]})
    boosts = sweep(tmp_path / "boosts", {"attack.boost": [2, 5]}, seeds=1, targets=1)
    table = pd.read_parquet(boosts / "rounds.parquet")
    for cell in set(table["cell"]):
        described = boosts / "cells" / cell
        described.mkdir(parents=True)
        (described / "experiment.yaml").write_text(yaml.safe_dump(small(aggregation="median", attack=None).describe()))
    found = collect([rules, boosts, runs[1]])
    rule = found.table.groupby("path", sort=False)["aggregation"].unique().map(list)
    assert rule.tolist() == [["mean", "median"], ["median"], ["mean"]]
    boost = found.table.groupby("path", sort=False)["attack.boost"].unique().map(list)
    assert boost.tolist()[1:] == [[2, 5], [5]]
    assert found.table[found.table["path"] == str(rules)]["attack.boost"].isna().all()
    assert found.remarks == (f"{rules}: nothing is recorded there of attack.boost, rounds, attack",)


def test_what_is_constant_in_each_sweep_and_not_the_same_in_all_varies(tmp_path: Path, runs: list[Path]) -> None:
    paths = []
    for clients in (5, 6):
        paths.append(sweep(tmp_path / str(clients), {"attack.boost": [2, 5]}, seeds=1, targets=1))
        for cell in set(pd.read_parquet(paths[-1] / "rounds.parquet")["cell"]):
            (paths[-1] / "cells" / cell).mkdir(parents=True)
            text = yaml.safe_dump(small(clients=clients).describe())
            (paths[-1] / "cells" / cell / "experiment.yaml").write_text(text)
    assert collect(paths[:1]).varying == ["attack.boost"]
    assert collect(paths).varying == ["attack.boost", "clients"]
    assert collect([paths[0], runs[0]]).table.groupby("path")["clients"].unique().map(list).to_dict() == {
        str(paths[0]): [5],
        str(runs[0]): [4],
    }


def test_a_number_is_the_same_beside_a_word_as_alone(tmp_path: Path) -> None:
    numbers = sweep(tmp_path / "numbers", {"attack.boost": [2, 10]}, seeds=1, targets=1)
    mixed = sweep(tmp_path / "mixed", {"attack.boost": ["2", "auto"]}, seeds=1, targets=1)
    assert collect([numbers, mixed]).table["attack.boost"].unique().tolist() == ["2", "10", "auto"]


def test_what_a_changed_experiment_says_is_not_believed(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [3]}, seeds=1, targets=1)
    (cell,) = set(pd.read_parquet(path / "rounds.parquet")["cell"])
    shutil.copytree(runs[0], path / "cells" / cell)
    assert collect([path], {"clients"}).table["clients"].nunique() == 1
    with (path / "cells" / cell / "experiment.yaml").open("r+") as file:
        file.truncate(10)
    with pytest.raises(DamagedRunError, match=r"has changed .*; remove .*, and the same sweep makes"):
        collect([path], {"clients"})


def test_paths_come_in_their_order(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [3]})
    order = [runs[1], path, runs[0]]
    assert list(collect(order).table["path"].unique()) == list(map(str, order))


def test_an_unknown_option(tmp_path: Path, runs: list[Path]) -> None:
    with pytest.raises(ConfigError, match=r"attack\.bost: no run has this option; did you mean attack\.boost\?"):
        collect(runs[:2], {"attack.bost"})
    with pytest.raises(ConfigError, match=r"agregation: no such column; did you mean aggregation\?"):
        collect([sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"]})], {"agregation"})


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere: neither a run nor a sweep is there"):
        collect([tmp_path / "nowhere"])
    (tmp_path / "sweep.yaml").touch()
    with pytest.raises(RunError, match="0 cells are done; if the sweep is not running any more, repeat: fedlens sweep"):
        collect([tmp_path])


def test_an_audit_that_goes_on_is_no_sweep(tmp_path: Path) -> None:
    """Its cells are no grid that `fedlens sweep` could go on with, and none of them may be removed."""
    path = sweep(tmp_path / "audit", {"aggregation": ["mean"]}, seeds=1, targets=1)
    (path / "plan.jsonl").touch()
    with pytest.raises(RunError, match=r"audit: this audit has not reached its end; repeat the command that began it"):
        collect([path])
    (path / "audit.json").touch()
    with pytest.raises(DamagedRunError, match=r"audit\.json"):
        collect([path])


def test_of_an_audit_the_runs_of_the_verdict_are_compared(tmp_path: Path) -> None:
    path = sweep(tmp_path / "audit", {"aggregation": ["mean", "median"]}, seeds=1, targets=1)
    first, second = sorted(set(pd.read_parquet(path / "rounds.parquet")["cell"]))

    def compared(*judged: str) -> tuple[set[str], tuple[str, ...]]:
        cells = [{"run": f"cells/{cell}"} for cell in judged]
        (path / "audit.json").write_text(json.dumps({"verdict_cells": cells}))
        found = collect([path])
        return set(found.table["cell"]), found.remarks

    assert compared() == compared(first, second) == ({first, second}, ())
    cells, (remark,) = compared(first)
    assert cells == {first}
    assert remark.startswith(f"{path}: without 1 run of the audit's search,")


def test_what_is_missing_from_a_sweep_is_told(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean", "median"]})
    assert collect([path]).remarks == ()
    for cell in ("failed", "begun", "complete"):
        (path / "cells" / cell).mkdir(parents=True)
        (path / "cells" / cell / "experiment.yaml").write_text((runs[0] / "experiment.yaml").read_text())
    (path / "cells/complete/summary.json").write_text("{}")
    (path / "failures.json").write_text('[{"cell": "failed", "values": {}, "reason": "it"}]')
    assert collect([path]).remarks == (
        f"{path}: 1 of its runs failed and are left out; failures.json has the reasons",
        f"{path}: 1 of its runs are not complete and are left out; the same sweep goes on with those "
        "that are not of an earlier grid",
        f"{path}: 1 complete run is left out, which the sweep's table does not have, as of an earlier grid: that does "
        f"no harm, and rm -r {path}/cells/complete gets rid of it; if the sweep was killed, repeat it",
    )
    for index in range(3):
        (path / f"cells/more{index}").mkdir()
        (path / f"cells/more{index}/experiment.yaml").write_text((runs[0] / "experiment.yaml").read_text())
        (path / f"cells/more{index}/summary.json").write_text("{}")
    several = collect([path]).remarks[-1]
    assert f"harm, and removing runs as {path}/cells/complete gets rid of them" in several
    (path / "failures.json").write_text("[")
    with pytest.raises(DamagedRunError, match=r"failures\.json: cannot be read .*; the same sweep makes it anew"):
        collect([path])


def test_a_run_of_two_sweeps_counts_once_whatever_each_calls_it(tmp_path: Path) -> None:
    one = sweep(tmp_path / "one", {"attack": ["explicit-boosting"], "attack.boost": [2, 5]}, seeds=1, targets=1)
    two = sweep(
        tmp_path / "two", {"attack": ["explicit-boosting(boost=5)"], "attack.boost": [5, 9]}, seeds=1, targets=1
    )
    table = pd.read_parquet(two / "rounds.parquet")
    shared = pd.read_parquet(one / "rounds.parquet")["cell"].iloc[-1]
    table.loc[table["attack.boost"] == 5, "cell"] = shared
    table.to_parquet(two / "rounds.parquet")
    found = collect([one, two])
    assert found.table.groupby("attack.boost")["cell"].nunique().to_dict() == {2: 1, 5: 1, 9: 1}
    assert set(found.table[found.table["cell"] == shared]["path"]) == {str(one)}
    assert found.remarks == ("1 of the runs are there more than once; each counts once",)


def test_what_a_component_is_called_leaves_out_what_a_sweep_has_columns_for(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"attack": ["explicit-boosting"], "attack.boost": [2, 5], "attack.step_cap": [5]})
    assert set(collect([path, runs[1]]).table["attack"]) == {"explicit-boosting"}


def test_options_of_the_target_may_vary_and_its_draw_is_repetition(tmp_path: Path) -> None:
    path = sweep(tmp_path / "sweep", {"target.r": [1, 10]})
    assert collect([path]).varying == ["target.r"]


def test_red_flags_of_runs_are_read_from_their_summaries(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"aggregation": ["mean"]}, targets=1)
    cells = list(dict.fromkeys(pd.read_parquet(path / "rounds.parquet")["cell"]))
    for cell, text in zip(cells, ('{"flags": ["oracle f"]}', "{"), strict=True):
        (path / "cells" / cell).mkdir(parents=True)
        (path / "cells" / cell / "summary.json").write_text(text)
    run = fedlens.load_run(runs[0])
    assert collect([path, runs[0]]).flags == {cells[0]: ["oracle f"], run.experiment.identity(): run.flags}


@pytest.mark.parametrize("cell", ["../../x", "/etc", "..", ".", "", "a", "a/b", 7, "0" * 31 + "\n"])
def test_a_cell_is_called_by_a_digest(tmp_path: Path, cell: object) -> None:
    file = sweep(tmp_path / "made", {"clients": [3]}) / "rounds.parquet"
    pd.read_parquet(file).assign(cell=cell).to_parquet(file)
    with pytest.raises(DamagedRunError, match=r"rounds\.parquet: .* is no cell's name"):
        collect([tmp_path / "made"])


def test_an_option_of_any_cell_is_known(tmp_path: Path, runs: list[Path]) -> None:
    path = sweep(tmp_path / "sweep", {"attack.boost": [2, 5]}, seeds=1, targets=1)
    plain = fedlens.load_run(runs[0]).experiment.model_copy(update={"attack": None})
    cells = list(dict.fromkeys(pd.read_parquet(path / "rounds.parquet")["cell"]))
    for cell, text in zip(
        cells, (yaml.safe_dump(plain.describe()), (runs[0] / "experiment.yaml").read_text()), strict=True
    ):
        (path / "cells" / cell).mkdir(parents=True)
        (path / "cells" / cell / "experiment.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"attack\.bost: no run has this option; did you mean attack\.boost\?"):
        collect([path], {"attack.bost"})


def test_damaged_tables(tmp_path: Path) -> None:
    file = tmp_path / "rounds.parquet"
    file.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DamagedRunError, match=r"rounds\.parquet: cannot be read"):
        collect([tmp_path])
    pd.DataFrame({"cell": ["a"], "round": [1]}).to_parquet(file)
    with pytest.raises(DamagedRunError, match=r"lacks the columns seed, target\.draw, target_index"):
        collect([tmp_path])
    pd.DataFrame(columns=["cell", "seed", "target.draw", "target_index", "round"]).to_parquet(file)
    with pytest.raises(RunError, match="no run of this sweep is complete yet"):
        collect([tmp_path])
