"""What workers do for an audit: forked rounds of one seed's benign twin, which they hold for the next task.

These functions are called by name in worker processes, with plain values, and return plain values. A twin is the same
to the bit wherever it is played, so that it does not matter which worker attacks which of its rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter, process_time
from typing import Any

from pydantic import TypeAdapter

from fedlens.core.errors import ClientError, ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.bounds import BOUND, bound_of
from fedlens.studies.audit.forks import Forks, forks_of
from fedlens.studies.audit.inspection import Inspected, inspect
from fedlens.studies.audit.pace import Pace, pace_of
from fedlens.studies.audit.planted import leak
from fedlens.studies.audit.tried import TRIED, Tried

INSPECTED = TypeAdapter(Inspected)
PACE = TypeAdapter(Pace)


class Holding:
    """The one benign twin that this process holds, with its server as it is, and with one leak."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._held: tuple[str, Forks] | None = None
        self._leaking: tuple[float, Forks] | None = None
        self.seconds = self.cpu = 0.0
        """What the twin took to be played."""

    def forks(self, experiment: Experiment, runtime: Runtime, memory: int, eta: float | None = None) -> Forks:
        """Return the forks of an experiment's benign twin, which is played unless it is the one that is held.

        Args:
            experiment: with its seed.
            runtime: engine, device and data.
            memory: for how many rounds attackers remember.
            eta: the share of the mean that the server lets through; ``None`` for the server as it is.

        Raises:
            FedlensError: the twin cannot be played, or there is nothing to attack.
        """
        name = f"{experiment.identity()} {memory} {runtime.engine} {runtime.device}"
        if self._held is None or self._held[0] != name:
            self.release()
            began, cpu = perf_counter(), process_time()
            self._held = name, self._stack.enter_context(forks_of(experiment, runtime, memory=memory))
            self.seconds, self.cpu = perf_counter() - began, process_time() - cpu
        own = self._held[1]
        if eta is None:
            return own
        if self._leaking is None or self._leaking[0] != eta:
            self._leaking = eta, own.under(leak(own.experiment, eta))
        return self._leaking[1]

    def release(self) -> None:
        """Drop the twin, and end its engine."""
        self._held = self._leaking = None
        self._stack.close()


HELD = Holding()
"""Of this process: what makes tasks with the same seed cheap. No result depends on it."""


def note(experiment: Experiment, runtime: Runtime, memory: int) -> None:
    """Play the benign twin.

    Raises:
        UnjudgedError: there is nothing to attack.
    """
    HELD.forks(experiment, runtime, memory)


def attack(
    experiment: Experiment,
    runtime: Runtime,
    memory: int,
    *,
    arm: Mapping[str, Any],
    round_: int,
    eta: float | None = None,
) -> Any:
    """Attack a round, under a server that leaks `eta`; return what came of it.

    ``None`` if the twin's model was not finite before that round. An attack that fails is out, and the audit goes on.
    """
    forks, tried = HELD.forks(experiment, runtime, memory, eta), Arm(**arm)
    if round_ not in forks.rounds:
        return None
    try:
        made = Tried(forks.attack(tried.made(forks.experiment), round_, tried.name))
    except (ClientError, ConfigError) as error:
        made = Tried(None, str(error).splitlines()[0])
    return TRIED.dump_python(made, mode="json")


def look(experiment: Experiment, runtime: Runtime, memory: int) -> Any:
    """Return what one can tell of the server without any attack; see `fedlens.studies.audit.inspection`."""
    return INSPECTED.dump_python(inspect(HELD.forks(experiment, runtime, memory), runtime), mode="json")


def bound(experiment: Experiment, runtime: Runtime, memory: int, *, round_: int, number: int) -> Any:
    """Return what any attack can make of a round at most, if that is known; see `fedlens.studies.audit.bounds`.

    ``False`` if the twin's model was not finite before that round.

    Raises:
        ConfigError: the rule's reach failed, or is none.
    """
    forks = HELD.forks(experiment, runtime, memory)
    return BOUND.dump_python(bound_of(forks, round_, number), mode="json") if round_ in forks.rounds else False


def measure(experiment: Experiment, runtime: Runtime, memory: int, arms: Sequence[Mapping[str, Any]]) -> Any:
    """Attack the first round by some arms; return the pace, so that the rest can be planned.

    An arm that fails counts with what it took to fail.
    """
    forks, seconds, cpu = HELD.forks(experiment, runtime, memory), [], process_time()
    forks.honest(forks.rounds[0])
    forks.absent(forks.rounds[0])
    for arm in arms:
        began = perf_counter()
        attack(experiment, runtime, memory, arm=arm, round_=forks.rounds[0])
        seconds.append(perf_counter() - began)
    spent = max(HELD.cpu + process_time() - cpu, 1e-3)
    slowness = max((HELD.seconds + sum(seconds)) / spent, 1.0)
    return PACE.dump_python(pace_of([Arm(**arm) for arm in arms], seconds, HELD.seconds, slowness), mode="json")
