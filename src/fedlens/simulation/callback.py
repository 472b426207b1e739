"""Observers of running experiments."""

from typing import Protocol

from typing_extensions import override

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord


class Observer(Protocol):
    """Callbacks during a run; the default, `Silent`, ignores them.

    Example:
        >>> import fedlens
        >>> class Progress(fedlens.Observer):
        ...     def begin(self, experiment, done, *, twin):
        ...         print(f"{experiment.name}: {done} of {experiment.rounds} rounds are done")
        >>> experiment = fedlens.Experiment(name="mine", data="digits", rounds=1, local={"epochs": 1})
        >>> run = fedlens.run(experiment, "runs/mine", engine="serial", observer=Progress())
        mine: 0 of 1 rounds are done
    """

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        """Note that rounds of `experiment`, a run or one of its controls (`twin`), begin; `done` exist already."""

    def clients(self, done: int, total: int) -> None:
        """Note how many of the current round's clients have finished."""

    def round(self, record: RoundRecord) -> None:
        """Note that a round has been recorded."""

    def end(self) -> None:
        """Note that the rounds have ended, complete or not."""

    def remark(self, text: str) -> None:
        """Show a remark of one line."""


class Silent(Observer):
    """An observer that ignores everything."""

    @override
    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        pass

    @override
    def clients(self, done: int, total: int) -> None:
        pass

    @override
    def round(self, record: RoundRecord) -> None:
        pass

    @override
    def end(self) -> None:
        pass

    @override
    def remark(self, text: str) -> None:
        pass
