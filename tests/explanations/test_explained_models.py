import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import Convolutions, small

import fedlens
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.experiment.setting import prepare
from fedlens.explanations.models import find_twin_of, load_models
from fedlens.runs.controls import CONTROLS
from fedlens.runs.weights import weights_file


def run(path: Path, keep_weights: bool = False, **changes: object) -> fedlens.Run:
    return fedlens.run(small(**{"control": True} | changes), path, keep_weights=keep_weights)


def run_of_0_1(path: Path, **options: Any) -> fedlens.Run:
    """A run that does not name its twin."""
    found = run(path, **options)
    (found.path / CONTROLS).unlink()
    return found


def controls() -> Path:
    return Path(os.environ["FEDLENS_CACHE"], "controls")


def twins() -> list[Path]:
    return [path for path in controls().iterdir() if path.is_dir()]


@pytest.mark.parametrize("make", [run, run_of_0_1])
def test_the_twin_is_found_among_others(tmp_path: Path, make: Callable[[Path], fedlens.Run]) -> None:
    found = make(tmp_path / "run")
    (twin,) = twins()
    run(tmp_path / "other", seed=1)
    run(tmp_path / "shorter", rounds=2)
    for broken in ("empty", "torn"):
        (controls() / broken).mkdir()
        (controls() / broken / "summary.json").write_text("{")
    shutil.copytree(twin, controls() / "unknown-component")
    (controls() / "unknown-component/experiment.yaml").write_text("model: gone:Model")
    assert find_twin_of(found) == twin
    assert find_twin_of(fedlens.load_run(tmp_path / "run")) == twin


def test_whatever_its_key_is(tmp_path: Path) -> None:
    found = run_of_0_1(tmp_path / "run")
    (twin,) = twins()
    twin = twin.rename(controls() / "key-of-another-version")
    assert find_twin_of(found) == twin


def test_the_one_that_kept_its_weights_comes_first(tmp_path: Path) -> None:
    found = run_of_0_1(tmp_path / "run", keep_weights=True)
    (twin,) = twins()
    shutil.copytree(twin, controls() / "0", ignore=shutil.ignore_patterns("weights"))
    assert find_twin_of(found) == twin


def test_a_twin_with_other_results_is_not_its_own(tmp_path: Path) -> None:
    found = run_of_0_1(tmp_path / "run")
    (twin,) = twins()
    lines = [json.loads(line) for line in (twin / "rounds.jsonl").read_text().splitlines()]
    lines[1]["quality"]["loss"] += 1e-12
    (twin / "rounds.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(RunError, match="not in the cache any more"):
        find_twin_of(found)


def test_a_named_twin_that_has_changed_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path / "run")
    (twin,) = twins()
    (twin / "rounds.jsonl").write_text((twin / "rounds.jsonl").read_text().replace('"round": 2', '"round":2'))
    with pytest.raises(DamagedRunError, match=r"rounds\.jsonl: has changed since the run was complete"):
        find_twin_of(found)


def test_an_unfinished_twin_does_not_count(tmp_path: Path) -> None:
    found = run(tmp_path / "run")
    (twin,) = twins()
    (twin / "summary.json").unlink()
    with pytest.raises(RunError, match="not in the cache any more"):
        find_twin_of(found)


def test_a_lost_twin_can_be_made_again_as_is_said(tmp_path: Path) -> None:
    found = run(tmp_path / "run")
    shutil.rmtree(controls())
    with pytest.raises(RunError, match=rf"`fedlens run {found.path} --out DIR`.*--control DIR"):
        find_twin_of(found)
    fedlens.run(fedlens.load_experiment(str(found.path)), tmp_path / "again")
    assert [find_twin_of(found)] == twins()


def test_the_twin_of_a_run_that_stopped_earlier_is_found(tmp_path: Path) -> None:
    found = run_of_0_1(tmp_path / "run", stop_at=0.01)
    assert len(found.records) == 1
    assert [find_twin_of(found)] == twins()


def test_a_twin_that_diverged_is_found(tmp_path: Path) -> None:
    found = run_of_0_1(tmp_path / "run")
    for path in (twins()[0], found.path):
        lines = [json.loads(line) for line in (path / "rounds.jsonl").read_text().splitlines()]
        for line in lines:
            (line["control"] or line)["quality"]["loss"] = float("nan")
        (path / "rounds.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (found.path / "summary.json").unlink()  # which knows the rounds that were
    assert [find_twin_of(fedlens.load_run(found.path))] == twins()


def test_without_a_control_there_is_none(tmp_path: Path) -> None:
    found = run(tmp_path / "run", control=False)
    with pytest.raises(RunError, match=r"no benign twin.*--control DIR.*control=true"):
        find_twin_of(found)


def test_a_control_may_be_a_twin_or_a_run_without_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path / "run", control=False)
    monkeypatch.chdir(tmp_path)
    run(Path("quickstart"), attack=None, seed=3, clients=5)  # its directory is called like a preset
    run(tmp_path / "other", seed=1)
    for control in (Path("quickstart"), *twins()):
        assert find_twin_of(found, control) == control


def test_a_control_of_other_data_or_another_model_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path / "run", control=False)
    other = run(tmp_path / "other", attack=None, model=Convolutions(), rounds=1)
    with pytest.raises(
        RunError, match=r"it has model \{'name': 'small:Convolutions', .*\}, not \{'name': 'census-mlp'"
    ):
        find_twin_of(found, other.path)
    adult = tmp_path / "adult"
    shutil.copytree(other.path, adult)
    (adult / "experiment.yaml").write_text("data: adult")
    with pytest.raises(RunError, match=r"it has data \{'name': 'adult'.*, not \{'name': 'digits'"):
        find_twin_of(found, adult)


def test_an_attacked_control_or_none_at_all_is_refused(tmp_path: Path) -> None:
    found = run(tmp_path / "run", control=False)
    with pytest.raises(RunError, match="attacked itself"):
        find_twin_of(found, found.path)
    with pytest.raises(RunError, match="no run is there"):
        find_twin_of(found, tmp_path)


@pytest.mark.parametrize("round_", [None, 1, 2, 3])
def test_the_models_are_those_of_the_round(tmp_path: Path, round_: int | None) -> None:
    found = run(tmp_path / "run", keep_weights=True, model=Convolutions())
    twin = find_twin_of(found)
    setting = prepare(found.experiment)
    test = setting.dataset.test
    place = -1 if round_ is None else round_ - 1
    record = found.records[place]
    for module, quality in zip(
        load_models(found, twin, setting, round_),
        (record.twin.quality, record.quality),
        strict=True,
    ):
        assert not module.training
        with torch.no_grad():
            right = module(test.x).argmax(1) == test.y
        assert float(right.double().mean()) == pytest.approx(quality.accuracy)
    benign, attacked = load_models(found, twin, setting, round_)
    assert not torch.equal(next(benign.parameters()), next(attacked.parameters()))


def test_a_shorter_control_lacks_the_later_rounds(tmp_path: Path) -> None:
    found = run(tmp_path / "run", keep_weights=True)
    shorter = run(tmp_path / "shorter", keep_weights=True, attack=None, rounds=2)
    setting = prepare(found.experiment)
    load_models(found, shorter.path, setting, 2)
    load_models(found, shorter.path, setting)
    with pytest.raises(RunError, match=r"shorter: there is no round 3; the last one recorded is 2"):
        load_models(found, shorter.path, setting, 3)


def test_rounds_that_were_not_kept_are_named(tmp_path: Path) -> None:
    found = run(tmp_path / "run")
    with pytest.raises(RunError, match="were not kept"):
        load_models(found, find_twin_of(found), prepare(found.experiment), 1)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    found = run(tmp_path / "run", keep_weights=True)
    other = run(tmp_path / "other", keep_weights=True, model=Convolutions())
    shutil.copy(weights_file(other.path, 1), weights_file(found.path, 1))
    with pytest.raises(RunError, match=r"has 1490 weights, but its model has 85002"):
        load_models(found, find_twin_of(found), prepare(found.experiment), 1)
