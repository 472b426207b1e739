"""The simulator's engines against bare training loops: one round of each in turn."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from bare import bare
from turns import in_turns, ratio

from fedlens.federation.engines import make_engine
from fedlens.federation.engines.engine import EngineName
from fedlens.federation.rounds import federate
from fedlens.federation.setting import Setting

YARDSTICK = "bare ×2"

Contender = Callable[[Setting], AbstractContextManager[Iterator[float]]]
"""Makes rounds of a setting: each `next` plays one and gives the test accuracy after it."""


@contextmanager
def fedlens(setting: Setting, engine: EngineName, workers: int) -> Iterator[Iterator[float]]:
    """The simulator on one of its engines."""
    with make_engine(engine, workers, setting.device, setting.experiment.cohort_size) as workforce:
        yield (result.record.quality.accuracy for result in federate(setting, workforce))


CONTENDERS: Mapping[str, Contender] = {
    YARDSTICK: lambda setting: bare(setting, workers=2),
    "fedlens processes ×2": lambda setting: fedlens(setting, "processes", workers=2),
    "bare ×1": lambda setting: bare(setting, workers=1),
    "fedlens serial": lambda setting: fedlens(setting, "serial", workers=1),
}


@dataclass(frozen=True)
class Performance:
    """How a contender did.

    Attributes:
        engine: its name.
        seconds: wall time of each counted round.
        ratio: the median, over rounds, of its time divided by the yardstick's in the same turn.
        accuracy: test accuracy after the last round.
    """

    engine: str
    seconds: list[float]
    ratio: float
    accuracy: float


def race(setting: Setting, tell: Callable[[str], None]) -> list[Performance]:
    """Let all contenders play the setting's rounds, in turns of one round each whose order is reversed every time.

    The first turn warms up and is not counted.
    """
    rounds = setting.experiment.rounds
    accuracy: dict[str, float] = {}
    torch.optim.Adam([torch.zeros(1)])  # the first optimizer imports much: once here, not in every process
    with ExitStack() as stack:
        playing = {name: stack.enter_context(make(setting)) for name, make in CONTENDERS.items()}

        def play(name: str) -> None:
            accuracy[name] = next(playing[name])

        counted = in_turns({name: partial(play, name) for name in CONTENDERS}, rounds - 1, tell, "round")
    yardstick = counted[YARDSTICK]
    return [Performance(name, times, ratio(times, yardstick), accuracy[name]) for name, times in counted.items()]
