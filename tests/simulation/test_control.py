import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from small import small

import fedlens
from fedlens.core.files import write_atomically
from fedlens.core.numerics import BITS, numerics
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.goals.target_samples import Target
from fedlens.simulation.callback import Callback
from fedlens.simulation.twin import Control, key


class Ears(Callback):
    """Hears which simulations begin, and what is remarked."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.remarks: list[str] = []

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self.begun.append(("twin" if twin else experiment.name, done))

    def remark(self, text: str) -> None:
        self.remarks.append(text)


LEARNS = {"epochs": 2, "batch_size": 20, "learning_rate": 5e-3}
"""Enough training for a twin that is right with confidence."""


def run(path: Path, **changes: object) -> tuple[fedlens.Run, Ears]:
    ears = Ears()
    return fedlens.run(small(**{"control": True, "local": LEARNS} | changes), path, observer=ears), ears


def twins() -> list[Path]:
    return [path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir()]


def test_the_twin_is_trained_once_for_all_attacks_and_targets(tmp_path: Path) -> None:
    _, first = run(tmp_path / "1")
    _, again = run(tmp_path / "2")
    _, other_attack = run(tmp_path / "3", attack={"name": "explicit-boosting", "boost": 2})
    _, other_target = run(tmp_path / "4", target={"r": 2})
    _, other_engine = run(tmp_path / "5", stop_at=0.99)
    assert first.begun == [("twin", 0), ("small", 0)]
    for ears in (again, other_attack, other_target, other_engine):
        assert ears.begun == [("small", 0)]
        assert "already in" in ears.remarks[0]
    assert len(twins()) == 1


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"rounds": 2}, {"clients": 5}, {"fraction": 0.5}, {"local": {"epochs": 2, "batch_size": 50}},
     {"partition": {"name": "dirichlet", "alpha": 1}}],
    ids=str,
)  # fmt: skip
def test_another_experiment_has_another_twin(change: dict[str, object]) -> None:
    assert key(prepare(small(**change)), "same") != key(prepare(small()), "same")


def test_other_arithmetic_has_another_twin() -> None:
    setting = prepare(small())
    assert key(setting, "same") != key(setting, "other")


def test_a_change_of_bits_makes_other_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = prepare(small())
    before = key(setting, "same")
    monkeypatch.setattr("fedlens.simulation.twin.BITS", BITS + 1)
    assert key(setting, "same") != before


def test_another_version_has_the_same_twin_but_another_pytorch_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = prepare(small())
    before = key(setting, "same")
    depends = numerics("same")
    monkeypatch.setattr("fedlens.simulation.twin.numerics", lambda _: depends | {"fedlens": "9.9"})
    assert key(setting, "same") == before
    monkeypatch.setattr("fedlens.simulation.twin.numerics", lambda _: depends | {"torch": "9.9"})
    assert key(setting, "same") != before


def test_other_data_or_first_weights_have_another_twin() -> None:
    setting = prepare(small())
    other = prepare(small())
    other.dataset.train.x[0, 0, 0, 0] += 1
    assert key(other, "same") != key(setting, "same")


def test_an_edited_component_has_another_twin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "my_rule.py"
    code = (
        "from fedlens import Aggregate, Rule\n"
        "class Mine(Rule):\n"
        "    def aggregate(self, received):\n"
        "        return Aggregate(received.updates.mean(dim=0) * {})\n"
    )
    file.write_text(code.format(1))
    monkeypatch.chdir(tmp_path)
    setting = prepare(small(aggregation="my_rule:Mine", attack="none"))
    before = key(setting, "same")
    assert key(setting, "same") == before
    file.write_text(code.format(0.1))
    assert key(setting, "same") != before


def test_other_shards_have_another_twin() -> None:
    setting = prepare(small())
    order = setting.shards.order.clone()
    before = key(setting, "same")
    setting.shards.order.copy_(order.flip(0))
    assert key(setting, "same") != before


def test_waiting_for_another_process_is_said(tmp_path: Path) -> None:
    run(tmp_path / "first")
    (twin,) = twins()
    lock = FileLock(f"{twin}.lock")
    lock.acquire()
    heard = Ears()
    heard.remark = lambda text: (heard.remarks.append(text), lock.release())  # type: ignore[method-assign]
    fedlens.run(small(control=True, local=LEARNS), tmp_path / "second", observer=heard)
    assert "waiting" in heard.remarks[0]


def test_the_twin_stands_beside_every_round(tmp_path: Path) -> None:
    found, _ = run(tmp_path / "run", target={"r": 2})
    (path,) = twins()
    control = Control(path)
    for record in found.records:
        predictions = control.predictions(record.round)
        index, target = found.target.index, found.target.target
        expected = predictions[index].exp()[[0, 1], target].tolist()
        assert record.twin.target.confidence == pytest.approx(expected)
        assert record.twin.quality == control.records[record.round - 1].quality


def test_the_twin_is_what_a_run_without_attack_is(tmp_path: Path) -> None:
    run(tmp_path / "attacked")
    found, _ = run(tmp_path / "benign", attack="none")
    (path,) = twins()
    assert (path / "final.safetensors").read_bytes() == (tmp_path / "benign/final.safetensors").read_bytes()
    assert [record.quality for record in Control(path).records] == [record.quality for record in found.records]


def test_resistant_targets_are_right_in_the_twin(tmp_path: Path) -> None:
    found, _ = run(tmp_path / "run", target=Target(r=10), rounds=2)
    (path,) = twins()
    last = Control(path).last[found.target.index]
    true = torch.tensor(found.target.true)
    assert (last.argmax(1) == true).all()
    assert (last.gather(1, true[:, None]).exp() >= 0.5).all()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit in the predictions": lambda twin: flip(twin / "predictions/00002.safetensors"),
    "a missing prediction": lambda twin: (twin / "predictions/00003.safetensors").unlink(),
    "a changed record": lambda twin: flip(twin / "rounds.jsonl"),
    "truncated weights": lambda twin: os.truncate(twin / "final.safetensors", 100),
    "a summary that is no JSON": lambda twin: (twin / "summary.json").write_text("{"),
    "a summary without checksums": lambda twin: (twin / "summary.json").write_text("{}"),
    "an unfinished twin with a damaged checkpoint": lambda twin: (
        (twin / "summary.json").unlink(),
        os.truncate(twin / "checkpoint.safetensors", 50),
    ),
    "an unfinished twin without predictions": lambda twin: (
        (twin / "summary.json").unlink(),
        shutil.rmtree(twin / "predictions"),
    ),
    "an unfinished twin of another experiment": lambda twin: (
        (twin / "summary.json").unlink(),
        (twin / "experiment.yaml").write_text("{seed: 99}"),
    ),
    "an unfinished twin whose experiment is unreadable": lambda twin: (
        (twin / "summary.json").unlink(),
        (twin / "experiment.yaml").write_text("{seed: "),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_twin_is_noticed_and_made_anew(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    before, _ = run(tmp_path / "before")
    (twin,) = twins()
    sound = (twin / "rounds.jsonl").read_bytes()
    damage(twin)
    after, ears = run(tmp_path / "after")
    assert ears.begun == [("twin", 0), ("small", 0)]
    assert any("trained again" in remark for remark in ears.remarks)
    assert (twin / "rounds.jsonl").read_bytes() == sound
    assert after.records == before.records
    _, third = run(tmp_path / "third")
    assert third.begun == [("small", 0)]


def test_an_interrupted_twin_goes_on(tmp_path: Path) -> None:
    run(tmp_path / "before")
    (twin,) = twins()
    (twin / "summary.json").unlink()
    (twin / "final.safetensors").unlink()
    after, ears = run(tmp_path / "after")
    assert ears.begun == [("small", 0)]  # all of its rounds were there; only the end was missing
    assert (twin / "summary.json").exists()
    assert after.records == fedlens.load_run(tmp_path / "before").records


def test_without_control_there_is_a_red_flag_and_no_twin(tmp_path: Path) -> None:
    found = fedlens.run(small(control=False), tmp_path / "run")
    assert found.summary is not None
    assert any(flag.startswith("no control") for flag in found.summary.flags)
    assert not Path(os.environ["FEDLENS_CACHE"], "controls").exists()
    assert found.records[0].twin is None


def test_a_control_that_errs_on_the_target_raises_a_red_flag(tmp_path: Path) -> None:
    run(tmp_path / "first", rounds=1)
    (twin,) = twins()
    labels = prepare(small()).dataset.test.y
    last = Control(twin).last
    wrong = int((last.argmax(1) != labels).nonzero()[0])
    wanted = (int(labels[wrong]) + 1) % 10
    found, _ = run(tmp_path / "second", rounds=1, target={"index": wrong, "target": wanted})
    assert found.summary is not None
    assert any("control errs" in flag for flag in found.summary.flags)
    right = int((last.max(1).values.exp() > 0.5).logical_and(last.argmax(1) == labels).nonzero()[0])
    found, _ = run(tmp_path / "third", rounds=1, target={"index": right, "target": (int(labels[right]) + 1) % 10})
    assert found.summary is not None
    assert not any("control" in flag for flag in found.summary.flags)


def test_simulate_uses_the_cached_twin_for_its_target(tmp_path: Path) -> None:
    found, _ = run(tmp_path / "run", target=Target())
    results = list(fedlens.simulate(small(control=True, local=LEARNS, target=Target())))
    for result, record in zip(results, found.records, strict=True):
        assert result.record.target is not None
        assert result.record.target.confidence == record.target.confidence
        assert result.record.twin == record.twin


def test_atomic_writing_leaves_the_old_file_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.json"
    write_atomically(file, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(fedlens.FedlensError, match="No space left"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert json.dumps(1) == "1"
