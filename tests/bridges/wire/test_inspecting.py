"""Logged updates put to checks: the same verdicts from every format, and whoever sent nonsense is named."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from fedlens.bridges.wire import inspect_updates
from fedlens.bridges.wire.inspecting import USUAL
from fedlens.bridges.wire.judging import shares
from fedlens.core.errors import ClientError, ConfigError, DamagedRunError, RunError
from fedlens.defences.accuracy_check import AccuracyCheck
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.runs.inspected import read_inspected

Arrays = dict[str, NDArray[Any]]


def sent(round_: int) -> Arrays:
    draws = np.random.default_rng([7, round_])
    return {"first.weight": draws.normal(size=(20, 10)).astype(np.float32), "first.bias": np.zeros(20, np.float32)}


def update(client: int, round_: int) -> Arrays:
    draws = np.random.default_rng([client, round_])
    return {name: draws.normal(0, 0.1, array.shape).astype(np.float32) for name, array in sent(round_).items()}


def write(path: Path, arrays: Arrays, **facts: str) -> None:
    """Write a file as somebody does who knows neither fedlens nor Flower."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    else:
        save_file(arrays, path, metadata=facts)


def log(folder: Path, suffix: str = ".safetensors", clients: int = 8, rounds: int = 2) -> Path:
    """Log a federation in which client 3 sends ten times its update in round 2."""
    for round_ in range(1, rounds + 1):
        place = folder / f"round-{round_:05d}"
        write(place / f"global{suffix}", sent(round_))
        for client in range(clients):
            factor = 10 if (client, round_) == (3, 2) else 1
            arrays = {name: sent(round_)[name] + factor * part for name, part in update(client, round_).items()}
            write(place / f"client-{client}{suffix}", arrays)
    return folder


def test_both_formats_give_the_same_verdicts_and_the_boosted_update_alone_is_flagged(tmp_path: Path) -> None:
    found = [
        inspect_updates(log(tmp_path / suffix[1:], suffix), tmp_path / f"out{suffix}")
        for suffix in (".npz", ".safetensors")
    ]
    assert found[0].rounds == found[1].rounds
    flags = {
        (round_.round, client.client): client.flagged_by for round_ in found[0].rounds for client in round_.clients
    }
    assert {place: by for place, by in flags.items() if by} == {(2, "3"): ["distances", "statistics"]}
    first = found[0].rounds[0].clients[0]
    expected = np.concatenate([part.ravel() for part in update(0, 1).values()])
    assert first.norm == pytest.approx(np.linalg.norm(expected), rel=1e-5)
    assert first.share == 1 / 8
    assert found[0].rounds[0].entries == 220


def test_what_is_read_is_what_the_checks_say_of_the_matrix(tmp_path: Path) -> None:
    found = inspect_updates(log(tmp_path / "updates"), tmp_path / "out")
    names = ["first.weight", "first.bias"]  # by name in a file, and therefore bias first
    rows = torch.stack(
        [
            torch.cat([torch.from_numpy(update(client, 1)[name]).flatten() for name in sorted(names)])
            for client in range(8)
        ]
    )
    from fedlens.core.layout import Layout

    layout = Layout.of(torch.nn.Linear(220, 1, bias=False))
    seen = Inspection(1, torch.zeros(220), rows, torch.ones(8).double() / 8, layout)
    for check in USUAL:
        verdict = check.inspect(seen)
        name = {DistanceCheck: "distances", StatisticsCheck: "statistics"}[type(check)]
        scores = [client.checks[name].score for client in found.rounds[0].clients]
        assert scores == pytest.approx(verdict.scores.tolist(), rel=1e-3, abs=1e-4)


def test_updates_need_nothing_of_the_server(tmp_path: Path) -> None:
    for client in range(6):
        write(tmp_path / "updates/round-1" / f"client-{client}.npz", update(client, 1))
    with pytest.raises(RunError, match=r"weights tell nothing without.*--kind update"):
        inspect_updates(tmp_path / "updates", tmp_path / "out")
    [found] = inspect_updates(tmp_path / "updates", tmp_path / "out", kind="update").rounds
    assert not found.faults
    assert found.clients[0].norm == pytest.approx(np.sqrt(sum((part**2).sum() for part in update(0, 1).values())))


def test_an_odd_first_update_does_not_make_the_others_odd(tmp_path: Path) -> None:
    for client in range(6):
        arrays = {"other": np.zeros(3, np.float32)} if client == 0 else update(client, 1)
        write(tmp_path / "updates/round-1" / f"client-{client}.safetensors", arrays, kind="update")
    [found] = inspect_updates(tmp_path / "updates", tmp_path / "out").rounds
    assert list(found.faults) == ["0"]


def test_whoever_sends_nonsense_is_named_and_the_others_are_judged_without(tmp_path: Path) -> None:
    folder = log(tmp_path / "updates", rounds=1) / "round-00001"
    good = {name: sent(1)[name] + part for name, part in update(0, 1).items()}
    write(folder / "client-a.safetensors", good | {"first.bias": np.full(20, np.nan, np.float32)})
    write(folder / "client-b.safetensors", good | {"first.bias": np.zeros(19, np.float32)})
    write(folder / "client-c.safetensors", {"first.bias": np.zeros(20, np.float32)})
    np.savez(folder / "client-d.npz", **{"first.bias": np.array([{}], dtype=object)})  # type: ignore[arg-type]
    (folder / "client-e.safetensors").write_bytes((folder / "client-1.safetensors").read_bytes()[:-9])
    write(folder / "client-f.safetensors", good, kind="gradient")
    [found] = inspect_updates(tmp_path / "updates", tmp_path / "out").rounds
    words = {
        "a": "entry 0 of first.bias is NaN",
        "b": "first.bias is of shape [19]; [20] is right",
        "c": "'first.weight' is missing",
        "d": "it holds Python objects, which are not read",
        "e": "cannot be read",
        "f": "kind is 'gradient'",
    }
    assert found.faults.keys() == words.keys()
    assert all(words[client] in fault for client, fault in found.faults.items())
    alone = inspect_updates(log(tmp_path / "others", rounds=1), tmp_path / "alone").rounds[0]
    assert [client for client in found.clients if not client.fault] == alone.clients
    assert next(client for client in found.clients if client.client == "a").share is None


@pytest.mark.parametrize("examples", [[10, 30], [10, None], [10, -5], [10, float("nan")], [0, 0], [0, 10]])
def test_weights_are_by_samples_only_if_all_are_told_and_sensible(examples: list[float | None]) -> None:
    right = {(10, 30): [0.25, 0.75], (0, 10): [0.0, 1.0]}
    assert shares(examples).tolist() == right.get(tuple(examples), [0.5, 0.5])


def test_anonymous_results_name_nobody(tmp_path: Path) -> None:
    folder = log(tmp_path / "updates", rounds=2)
    for number in (1, 2):
        (folder / f"round-{number:05d}/client-5.safetensors").rename(
            folder / f"round-{number:05d}/client-St Mary.safetensors"
        )
    write(folder / "round-00001/client-6.safetensors", {"ward": np.zeros(3, np.float32)})
    named = inspect_updates(folder, tmp_path / "named")
    anonymous = inspect_updates(folder, tmp_path / "anonymous", anonymous=True)
    content = b"".join(file.read_bytes() for file in (tmp_path / "anonymous").iterdir())
    for secret in (b"Mary", b"ward", b"first", b"updates", str(tmp_path).encode()):
        assert secret not in content
    assert [client.checks for round_ in anonymous.rounds for client in round_.clients] == [
        client.checks for round_ in named.rounds for client in round_.clients
    ]
    assert len(anonymous.of_clients()) == len(named.of_clients()) == 8


class Greedy(Detector):
    """Writes into what it sees, and draws from a global generator."""

    drawn: ClassVar[list[float]] = []

    def inspect(self, seen: Inspection) -> Verdict:
        """See `Detector.inspect`."""
        seen.updates.zero_()
        seen.weights.fill_(1e9)
        self.drawn.append(float(torch.rand(())))
        return Verdict(seen.alpha * 0, seen.alpha < 0)


class Broken(Detector):
    """Fails."""

    def inspect(self, seen: Inspection) -> Verdict:
        """See `Detector.inspect`."""
        raise ValueError("no idea")


def test_a_check_of_the_users_changes_nothing_and_draws_alike(tmp_path: Path) -> None:
    folder = log(tmp_path / "updates")
    plain = inspect_updates(folder, tmp_path / "plain")
    both = inspect_updates(folder, tmp_path / "both", [Greedy(), *USUAL])
    inspect_updates(folder, tmp_path / "both", [Greedy()])
    assert Greedy.drawn[:2] == Greedy.drawn[2:]
    for ours, theirs in zip(plain.rounds, both.rounds, strict=True):
        assert [client.measured for client in ours.clients] == [client.measured for client in theirs.clients]
        for client, other in zip(ours.clients, theirs.clients, strict=True):
            assert client.checks.items() <= other.checks.items()


def test_a_check_that_fails_or_needs_samples_is_named(tmp_path: Path) -> None:
    folder = log(tmp_path / "updates", rounds=1)
    with pytest.raises(ClientError, match=r"check .*Broken failed in round 1: ValueError: no idea"):
        inspect_updates(folder, tmp_path / "out", [Broken()])
    with pytest.raises(ConfigError, match="accuracy needs a validation set"):
        inspect_updates(folder, tmp_path / "out", [AccuracyCheck()])
    for alike in (["accuracy"], [{"name": "accuracy", "threshold": 0.1}]):
        with pytest.raises(ConfigError, match="accuracy"):
            inspect_updates(folder, tmp_path / "out", alike)
    with pytest.raises(ConfigError, match=r"checks: a list is needed; e\.g\. checks=\['distances'\]"):
        inspect_updates(folder, tmp_path / "out", "distances")
    with pytest.raises(ConfigError, match="did you mean distances"):
        inspect_updates(folder, tmp_path / "out", ["distance"])
    with pytest.raises(ConfigError, match="distances stands there twice"):
        inspect_updates(folder, tmp_path / "out", [DistanceCheck(), DistanceCheck(margin=0.1)])


def test_damaged_results_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    inspect_updates(log(tmp_path / "updates", rounds=1), out)
    for name, content in (("inspected.jsonl", ""), ("inspected.jsonl", "{}"), ("inspection.json", "[]")):
        (out / name).write_text(content)
        with pytest.raises(DamagedRunError, match=name):
            read_inspected(out)
    with pytest.raises(DamagedRunError, match=r"inspection.json: missing"):
        read_inspected(tmp_path)


def test_a_round_in_which_nothing_can_be_compared_is_said_to_be_so(tmp_path: Path) -> None:
    folder = log(tmp_path / "updates", clients=2, rounds=1)
    for client in (0, 1):
        (folder / f"round-00001/client-{client}.safetensors").write_bytes(b"x")
    [found] = inspect_updates(folder, tmp_path / "out").rounds
    assert len(found.faults) == 2
    (folder / "round-00002").mkdir()
    with pytest.raises(RunError, match="round 2: no client has sent anything"):
        inspect_updates(folder, tmp_path / "out")
