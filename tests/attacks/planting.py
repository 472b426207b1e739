"""A federation that has learnt the digits without attack, and what one or two rounds of an attack plant in it."""

from functools import cache
from typing import Any

from small import small

from fedlens.experiment.setting import prepare
from fedlens.runs.record import RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate

CLIENTS = 5
LOCAL = {"epochs": 2, "batch_size": 20, "learning_rate": 0.003}
PATCH = {"name": "backdoor", "trigger": "pixel-patch"}
"""A bright corner makes any digit pass as a 7."""
BARS = {"name": "backdoor", "trigger": {"name": "distributed", "size": 3}}


def played(attack: object, rounds: int, state: FederationState | None = None, **changes: Any) -> list[RoundResult]:
    """Rounds after `state`, with this attack or without any."""
    last = rounds + (state.round if state else 0)
    values = {"clients": CLIENTS, "rounds": last, "local": LOCAL, "attack": attack, "target": {}, "goal": PATCH}
    experiment = small(**(values | changes))
    with Serial() as engine:
        return list(federate(prepare(experiment).with_target(None), engine, state))


@cache
def learnt() -> FederationState:
    """The state after three rounds without attack."""
    return played(None, 3)[-1].state


def after(attack: object, rounds: int = 1, **changes: Any) -> RoundRecord:
    """The record of the last of so many rounds of an attack on the federation that has learnt."""
    return played(attack, rounds, learnt(), **changes)[-1].record


@cache
def _unattacked(bars: bool, rounds: int) -> RoundRecord:
    return after(None, rounds, goal=BARS if bars else PATCH)


def rate(record: RoundRecord) -> float:
    """The attack success rate."""
    assert record.backdoor is not None
    return record.backdoor.rate


def is_planted(record: RoundRecord, rounds: int = 1, *, bars: bool = False) -> bool:
    """Whether the trigger works on half of the inputs more than without attack, and the model is still of use."""
    twin = _unattacked(bars, rounds)
    assert rate(twin) < 0.4
    return rate(record) - rate(twin) >= 0.5 and record.quality.accuracy > 0.6
