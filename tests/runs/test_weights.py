import os
import shutil
from pathlib import Path

import pytest
import torch
from small import small

import fedlens
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.runs.weights import kept_rounds, weights_file, weights_of
from fedlens.simulation.callback import Callback


class Ears(Callback):
    """Hears which simulations begin, and what is remarked; fails at the end of a round if it is told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.begun: list[tuple[str, int]] = []
        self.remarks: list[str] = []
        self.fails_at = fails_at

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self.begun.append(("twin" if twin else experiment.name, done))

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    def round(self, record: RoundRecord) -> None:
        if record.round == self.fails_at:
            raise KeyboardInterrupt


def run(path: Path, ears: Ears | None = None, **means: object) -> fedlens.Run:
    return fedlens.run(small(control=True), path, engine="serial", observer=ears, **means)  # type: ignore[arg-type]


def the_twin() -> Path:
    (found,) = [path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir()]
    return found


def begin(path: Path, **means: object) -> Path:
    """A run of three rounds, interrupted after two."""
    with pytest.raises(KeyboardInterrupt):
        fedlens.run(small(), path, observer=Ears(2), **means)  # type: ignore[arg-type]
    return path


def test_every_round_has_the_weights_that_it_ended_with(tmp_path: Path) -> None:
    found = run(tmp_path / "run", keep_weights=True)
    assert kept_rounds(found.path) == [1, 2, 3]
    for result in fedlens.simulate(small(control=True), engine="serial"):
        assert torch.equal(found.weights(result.record.round), result.state.weights)
        assert found.weights(result.record.round).dtype == torch.float32
    assert weights_file(found.path, 3).read_bytes() == (found.path / "final.safetensors").read_bytes()
    assert found.summary is not None
    assert set(found.summary.checksums) >= {f"weights/0000{round_}.safetensors" for round_ in (1, 2, 3)}


def test_the_twin_keeps_them_too(tmp_path: Path) -> None:
    run(tmp_path / "run", keep_weights=True)
    for result in fedlens.simulate(small(attack=None), engine="serial"):
        assert torch.equal(weights_of(the_twin(), result.record.round), result.state.weights)
    assert kept_rounds(the_twin()) == [1, 2, 3]


def test_nothing_else_is_different(tmp_path: Path) -> None:
    run(tmp_path / "with", keep_weights=True)
    twin = (the_twin() / "rounds.jsonl").read_bytes()
    shutil.rmtree(the_twin())
    run(tmp_path / "without")
    assert not (tmp_path / "without/weights").exists()
    assert not (the_twin() / "weights").exists()
    assert (the_twin() / "rounds.jsonl").read_bytes() == twin
    for name in ("rounds.jsonl", "experiment.yaml", "target.json", "final.safetensors", "best.safetensors"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_a_twin_with_weights_serves_runs_without(tmp_path: Path) -> None:
    run(tmp_path / "with", keep_weights=True)
    for name, keep in (("without", False), ("with-again", True)):
        ears = Ears()
        run(tmp_path / name, ears, keep_weights=keep)
        assert ears.begun == [("small", 0)]
    assert kept_rounds(the_twin()) == [1, 2, 3]


def test_a_twin_without_weights_is_made_anew(tmp_path: Path) -> None:
    before = run(tmp_path / "without")
    records = (the_twin() / "rounds.jsonl").read_bytes()
    ears = Ears()
    after = run(tmp_path / "with", ears, keep_weights=True)
    assert ears.begun == [("twin", 0), ("small", 0)]
    assert ears.remarks == ["benign twin: trained again, because the cached one kept no weights of its rounds"]
    assert kept_rounds(the_twin()) == [1, 2, 3]  # and nothing is left beside it
    assert (the_twin() / "rounds.jsonl").read_bytes() == records
    assert after.records == before.records


def test_the_old_twin_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    run(tmp_path / "without")
    old = the_twin()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "interrupted", Ears(2), keep_weights=True)
    assert (old / "summary.json").exists()
    assert not (old / "weights").exists()
    ears = Ears()
    run(tmp_path / "interrupted", ears, resume=True)  # it remembers that it keeps weights
    assert ears.begun == [("twin", 2), ("small", 0)]
    assert kept_rounds(the_twin()) == kept_rounds(tmp_path / "interrupted") == [1, 2, 3]


def test_an_unfinished_twin_without_weights_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "without", Ears(2))
    ears = Ears()
    run(tmp_path / "with", ears, keep_weights=True)
    assert ears.begun == [("twin", 0), ("small", 0)]
    assert kept_rounds(the_twin()) == [1, 2, 3]


def test_an_unfinished_twin_goes_on_keeping_them(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "with", Ears(2), keep_weights=True)
    ears = Ears()
    run(tmp_path / "without", ears)
    assert ears.begun == [("twin", 2), ("small", 0)]
    assert kept_rounds(the_twin()) == [1, 2, 3]


def test_a_twin_that_lost_weights_is_damaged(tmp_path: Path) -> None:
    run(tmp_path / "one", keep_weights=True)
    weights_file(the_twin(), 2).unlink()
    ears = Ears()
    run(tmp_path / "two", ears, keep_weights=True)
    assert "is damaged" in ears.remarks[0]
    assert kept_rounds(the_twin()) == [1, 2, 3]


@pytest.mark.parametrize("means", [{}, {"keep_weights": True}])
def test_a_resumed_run_goes_on_keeping_them(tmp_path: Path, means: dict[str, bool]) -> None:
    path = begin(tmp_path / "run", keep_weights=True)
    assert kept_rounds(path) == [1, 2]
    found = fedlens.run(small(), path, resume=True, **means)  # type: ignore[arg-type]
    for result in fedlens.simulate(small()):
        assert torch.equal(found.weights(result.record.round), result.state.weights)


def test_weights_that_were_written_before_a_kill_do_no_harm(tmp_path: Path) -> None:
    path = begin(tmp_path / "run", keep_weights=True)
    for round_ in (3, 4):
        weights_file(path, round_).write_bytes(b"of a round whose checkpoint was not written any more")
    (path / "weights/.00003.safetensors.0123abcd").write_bytes(b"half")
    found = fedlens.run(small(), path, resume=True)
    assert {file.name for file in (path / "weights").iterdir()} == {f"0000{round_}.safetensors" for round_ in (1, 2, 3)}
    assert torch.equal(found.weights(3), found.weights())


def test_a_run_killed_before_its_first_round_keeps_them(tmp_path: Path) -> None:
    path = begin(tmp_path / "run", keep_weights=True)
    for file in [path / "rounds.jsonl", path / "checkpoint.safetensors", *(path / "weights").iterdir()]:
        file.unlink()
    assert kept_rounds(fedlens.run(small(), path, resume=True).path) == [1, 2, 3]


def test_a_run_begun_without_can_keep_them_only_before_its_first_round(tmp_path: Path) -> None:
    path = begin(tmp_path / "run")
    with pytest.raises(RunError, match=r"begun without --keep-weights.*another --out"):
        fedlens.run(small(), path, resume=True, keep_weights=True)
    assert not (path / "weights").exists()
    for name in ("rounds.jsonl", "checkpoint.safetensors"):
        (path / name).unlink()
    assert kept_rounds(fedlens.run(small(), path, resume=True, keep_weights=True).path) == [1, 2, 3]


def test_a_run_that_lost_weights_says_what_to_do(tmp_path: Path) -> None:
    path = begin(tmp_path / "run", keep_weights=True)
    weights_file(path, 1).write_bytes(b"torn")
    with pytest.raises(DamagedRunError, match=r"00001\.safetensors.* fedlens run .*--out .*; or remove .*weights"):
        fedlens.run(small(), path, resume=True)
    shutil.rmtree(path / "weights")
    assert kept_rounds(fedlens.run(small(), path, resume=True).path) == []


def test_without_them_there_are_those_of_the_last_and_of_the_best_round(tmp_path: Path) -> None:
    found = fedlens.run(small(rounds=4, stop_at=None), tmp_path / "run")
    assert found.summary is not None
    best = found.summary.best_round
    assert torch.equal(found.weights(4), found.weights())
    assert torch.equal(found.weights(best), found.weights("best"))
    other = next(round_ for round_ in (1, 2, 3) if round_ != best)
    there = ", ".join(map(str, sorted({best, 4})))
    with pytest.raises(RunError, match=rf"round {other} were not kept .*after: {there}\).*--keep-weights"):
        found.weights(other)
    for round_ in (0, 5, -1):
        with pytest.raises(RunError, match=rf"no round {round_}; the last one recorded is 4"):
            found.weights(round_)


def test_an_unfinished_run_has_those_of_its_checkpoint(tmp_path: Path) -> None:
    found = fedlens.load_run(begin(tmp_path / "run"))
    assert torch.equal(found.weights(2), found.weights("last"))
    with pytest.raises(DamagedRunError, match="is the run finished"):
        found.weights()


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    found = fedlens.run(small(), tmp_path / "run", keep_weights=True)
    weights_file(found.path, 1).write_bytes(b"torn")
    with pytest.raises(DamagedRunError, match=r"00001\.safetensors"):
        found.weights(1)
    shutil.rmtree(found.path / "weights")
    (found.path / "final.safetensors").write_bytes(b"torn")
    with pytest.raises(DamagedRunError, match=r"final\.safetensors"):
        found.weights(1)
