import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from small import Convolutions, small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.defences.coordinate_wise import Median
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.experiment.experiment import Experiment
from fedlens.simulation import opening
from fedlens.simulation.callback import Silent


class Counting(Silent):
    """Counts the clients that train in the first round of each simulation."""

    def __init__(self) -> None:
        self.trained: list[int] = []

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        self.trained.append(-1)

    def clients(self, done: int, total: int) -> None:
        if self.trained[-1] < 0:
            self.trained[-1] = total


def controlled(**changes: Any) -> Experiment:
    return small(**{"control": True, "model": Convolutions()} | changes)


def trained(experiment: Experiment, out: Path, **means: Any) -> list[int]:
    """How many clients trained in the first round, of the twin, if one was made, and of the run."""
    observer = Counting()
    fedlens.run(experiment, out, observer=observer, **({"engine": "serial"} | means))
    return observer.trained


def openings() -> list[Path]:
    folder = Path(os.environ["FEDLENS_CACHE"], "openings")
    return list(folder.iterdir()) if folder.exists() else []


def test_the_twin_spares_the_attacked_run_its_honest_clients_of_the_first_round(tmp_path: Path) -> None:
    assert trained(controlled(), tmp_path / "first") == [4, 1]
    assert trained(controlled(seed=1), tmp_path / "other") == [4, 1]
    assert trained(controlled(rounds=2), tmp_path / "shorter") == [0, 1]
    assert trained(
        controlled(aggregation=Median(), attack=DataPoisoning(), checks=[DistanceCheck()]), tmp_path / "rule"
    ) == [0, 0, 1]  # the placebo takes those of the others
    assert len(openings()) == 2


def test_what_an_honest_client_does_in_the_first_round_decides_the_opening(tmp_path: Path) -> None:
    assert trained(controlled(), tmp_path / "1") == [4, 1]
    assert trained(controlled(local={"epochs": 2, "batch_size": 50}), tmp_path / "2") == [4, 1]
    assert trained(controlled(validation=100), tmp_path / "3") == [4, 1]
    assert trained(controlled(clients=5), tmp_path / "4") == [5, 1]
    assert trained(controlled(partition={"name": "dirichlet", "alpha": 1}), tmp_path / "5") == [4, 1]
    assert len(openings()) == 5


def test_without_a_control_every_client_trains(tmp_path: Path) -> None:
    trained(controlled(), tmp_path / "1")
    assert trained(controlled(control=False), tmp_path / "2") == [4]
    assert trained(controlled(attack=None, control=False), tmp_path / "3") == [4]


class Colluding(Attack):
    """Sends the others' mean turned about."""

    omniscient: ClassVar[bool] = True

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        return -view.others.mean(dim=0)


class Unknown:
    """An opening in which nothing is ever found."""

    def load(self, shape: tuple[int, ...]) -> Tensor | None:
        return None

    def keep(self, updates: Tensor) -> None:
        """Forget them."""


@pytest.mark.parametrize("engine", ["serial", "processes"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attack": Colluding()},
        {"clients": 8, "fraction": 0.5},
        {"attack": {"name": "explicit-boosting", "delay": 2}},
    ],
    ids=["boosting", "omniscient", "cohorts", "waiting"],
)
def test_a_run_is_the_same_to_the_bit(changes: dict[str, Any], engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = controlled(**changes)
    shared = list(fedlens.simulate(experiment, engine=engine))
    assert len(openings()) == 1
    monkeypatch.setattr("fedlens.simulation.simulation.find_opening", lambda *_: Unknown())
    alone = list(fedlens.simulate(experiment, engine=engine))
    for mine, its in zip(shared, alone, strict=True):
        assert torch.equal(mine.state.weights, its.state.weights)
        assert mine.record == its.record


def test_clients_side_by_side_share_none(tmp_path: Path) -> None:
    assert trained(small(control=True), tmp_path / "1", engine="vectorised") == [4, 4]
    assert openings() == []


def test_a_damaged_opening_is_made_again(tmp_path: Path) -> None:
    trained(controlled(), tmp_path / "1")
    (file,) = openings()
    whole = file.read_bytes()
    for rounds, damaged in enumerate((whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], b""), start=4):
        file.write_bytes(damaged)
        assert trained(controlled(rounds=rounds), tmp_path / str(rounds)) == [4, 1]
        assert file.read_bytes() == whole


def test_those_not_used_for_longest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    updates = torch.ones(4, 1000)
    (tmp_path / "openings").mkdir()
    made = [opening.Opening(tmp_path / "openings" / name) for name in "abcd"]
    for age, one in enumerate(made[:3]):
        one.keep(updates)
        os.utime(one.path, (age, age))
    monkeypatch.setattr(opening, "SPACE", 2.5 * made[0].path.stat().st_size)
    assert made[0].load((4, 1000)) is not None  # and so b is now the one not used for longest
    made[3].keep(updates)
    assert [one.path.exists() for one in made] == [True, False, False, True]


def test_a_large_one_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LARGEST", 100)
    assert trained(controlled(), tmp_path / "1") == [4, 4]
    assert openings() == []


def test_one_of_another_shape_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "openings").mkdir()
    one = opening.Opening(tmp_path / "openings" / "a")
    one.keep(torch.ones(4, 10))
    assert one.load((4, 11)) is None
    found = one.load((4, 10))
    assert found is not None
    assert torch.equal(found, torch.ones(4, 10))


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    one = opening.Opening(tmp_path / "file" / "a")
    one.keep(torch.ones(4, 10))
    assert one.load((4, 10)) is None
