"""What a caller may watch while experiments run."""

from typing import Any, Protocol

from fedlens.experiment.experiment import Experiment


class Observer(Protocol):
    """Is told of everything that happens; the default, `Silent`, keeps it to itself."""

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        """Rounds of `experiment`, a run or one of its controls (`twin`), begin; `done` of them exist already."""

    def clients(self, done: int, total: int) -> None:
        """Of the current round's clients, this many have finished."""

    def round(self, record: dict[str, Any]) -> None:
        """A round has been recorded."""

    def end(self) -> None:
        """They have ended, complete or not."""

    def remark(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """Watches nothing."""

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        """See `Observer`."""

    def clients(self, done: int, total: int) -> None:
        """See `Observer`."""

    def round(self, record: dict[str, Any]) -> None:
        """See `Observer`."""

    def end(self) -> None:
        """See `Observer`."""

    def remark(self, text: str) -> None:
        """See `Observer`."""
