"""A red flag for attacks whose formula lets them go nowhere, on records made by hand."""

from dataclasses import replace
from typing import Any

import pytest
from helpers.recorded import record

from fedlens.analysis.flags import NO_STRENGTH, common, flags
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord

ALIE: dict[str, Any] = {"attack": "a-little-is-enough", "attackers": {"clients": [4]}, "clients": 10}


def logging(round_: int, **log: float) -> RoundRecord:
    """A round in which client 4 attacks and logs these numbers."""
    made = record(round_, [1, 4, 5])
    (attacker,) = made.attackers
    assert attacker.attack is not None
    noted = replace(attacker, attack=replace(attacker.attack, log=log))
    return replace(made, clients=[noted if client.client == 4 else client for client in made.clients])


def found(records: list[RoundRecord], **changes: Any) -> list[str]:
    return [flag for flag in flags(Experiment(**{**ALIE, **changes}), records) if flag.startswith(NO_STRENGTH)]


@pytest.mark.parametrize(
    ("zs", "words"),
    [
        ([0.0], [": z is 0 in 1 of 1 round"]),
        ([0.4, -0.1397, 0.0], [": z is -0.14 in 2 of 3 rounds"]),
        ([1e-9, 2.0], []),
        ([], []),
    ],
)
def test_rounds_without_strength_are_counted(zs: list[float], words: list[str]) -> None:
    records = [logging(round_, z=z) for round_, z in enumerate(zs, 1)] or [logging(1)]
    assert found(records) == [f"{NO_STRENGTH}{rest}" for rest in words]


def test_another_attack_may_log_what_it_likes() -> None:
    assert found([logging(1, z=-1.0)], attack="sign-flipping") == []


def test_numbers_are_left_out_of_what_several_runs_have_in_common() -> None:
    runs = [flags(Experiment(**ALIE), [logging(1, z=z)]) for z in (0.0, -1.0)]
    assert f"{NO_STRENGTH} (2 of 2 runs)" in common(runs)
