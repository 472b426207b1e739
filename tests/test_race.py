"""The benchmark's race: how contenders take turns, and that those without PyTorch get the same work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import arrays
import halves
import numpy as np
import peers
import pytest
import torch
from race import YARDSTICK, played, race
from task import Task
from torch import nn

ROOT = Path(__file__).parents[1]


def task_of(model: nn.Module) -> Task:
    """Two clients of three and five samples."""
    x = torch.arange(32.0).view(8, 4) / 32
    y = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
    return Task(model, [(x[:3], y[:3]), (x[3:], y[3:])], [(x[:5], y[:5]), (x[5:], y[5:])], 2, 2, 1, 5, 50, 1e-3)


def dense() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.25), nn.Linear(6, 2))


def test_contenders_play_blocks_in_an_order_that_turns() -> None:
    log: list[str] = []

    def contender(name: str):  # type: ignore[no-untyped-def]
        @contextmanager
        def play(_: object) -> Iterator[Iterator[float]]:
            def rounds() -> Iterator[float]:
                for number in range(100):
                    log.append(name)
                    yield number

            yield rounds()

        return play

    contenders = {YARDSTICK: contender("a"), "other": contender("b")}
    found = race(None, contenders, turns=2, block=3, tell=lambda _: None)  # type: ignore[arg-type]
    assert "".join(log) == "aaaa" + "bbbb" + "bbbb" + "aaaa" + "aaaa" + "bbbb"  # one before each block of three
    assert [len(one.seconds) for one in found] == [2, 2]
    assert [one.accuracy for one in found] == [played(2, 3) - 1] * 2
    assert found[0].ratio == 1


def test_long_rounds_are_all_timed() -> None:
    assert played(turns=5, block=1) == 6


def test_arrays_hold_the_same_task(tmp_path: Path) -> None:
    task = task_of(dense().eval())
    arrays.save(task, tmp_path / "task")
    found = arrays.load(tmp_path / "task")
    for (x, y), (theirs, classes) in zip(task.shards, found.shards, strict=True):
        assert np.array_equal(x.numpy(), theirs)
        assert y.tolist() == classes.tolist()
    hidden, last = found.layers
    logits = np.maximum(found.test[0] @ hidden[0] + hidden[1], 0) @ last[0] + last[1]
    with torch.no_grad():
        expected = torch.cat([task.model(x) for x, _ in task.test])
    assert np.allclose(logits, expected.numpy(), atol=1e-6)
    assert found.test[1].tolist() == [0, 1, 1, 0, 1, 0, 0, 1]
    kept = found.drop, found.cohort_size, found.epochs, found.batch_size, found.learning_rate
    assert kept == (0.25, 2, 5, 50, 1e-3)


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 2)),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5)),
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2)),
    ],
)
def test_other_networks_are_refused(model: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no dense network"):
        arrays.save(task_of(model), tmp_path / "task")


def test_halves_average_by_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays.save(task_of(dense()), tmp_path / "task")
    start = [(np.zeros((1, 1)), np.zeros(1))]
    trainer = halves.Trainer(lambda _, client: [(np.full((1, 1), client + 1.0), np.full(1, 10.0 * client))], len)
    monkeypatch.setattr(halves.Here, "arrays", arrays.load(tmp_path / "task"), raising=False)
    monkeypatch.setattr(halves.Here, "trainer", trainer, raising=False)
    sums = [halves.train(start, [0]), halves.train(start, [1])]
    [(weight, bias)] = halves.average(sums, samples=8)
    assert weight.item() == pytest.approx((3 * 1 + 5 * 2) / 8)
    assert bias.item() == pytest.approx(5 * 10 / 8)


def test_every_peer_is_installed_from_its_list() -> None:
    listed = re.search(r"^BENCH_PEERS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert listed is not None
    assert sorted(listed[1].split()) == sorted(peers.ENVIRONMENTS)
    assert {path.stem for path in (ROOT / "benchmarks/peers").iterdir()} == set(peers.ENVIRONMENTS)
    assert all((ROOT / "benchmarks" / peer.script).exists() for peer in peers.PEERS.values())


def test_the_reason_is_pips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ROOT", tmp_path)
    assert peers.why_absent("jax") == "not installed: make bench-peers"
    (tmp_path / ".venv-bench-jax").mkdir()
    (tmp_path / ".venv-bench-jax" / "install.log").write_text(
        "WARNING: slow\nERROR: No matching distribution found for jax==0.10.2\n", encoding="utf-8"
    )
    assert peers.why_absent("jax") == "does not install here: No matching distribution found for jax==0.10.2"
