"""What a caller may watch while a run or a sweep goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedlens.core.errors import ConfigError, shortened
from fedlens.experiment.cell import Cell
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord


@dataclass(frozen=True)
class Event:
    """Something that happened to a cell of a sweep.

    Attributes:
        key: the cell's `key`.
        kind: ``began`` (rounds of the run or of a control), ``round``, ``finished``, ``unjudged`` or ``failed``.
        content: for ``began``: ``control`` (what it is called, if it is one), ``done`` and ``rounds``; for ``round``:
            ``round``, ``accuracy`` (or of a regression ``mae``) and ``confidence``; for ``failed``: ``reason``; for
            ``unjudged``: ``reason`` and ``remedies``, as of `fedlens.core.errors.UnjudgedError`; for ``finished``:
            ``value``, if the executor was to call a function in place of a run.

    Example:
        >>> from fedlens.simulation import Event
        >>> event = Event(key="4f0c", kind="failed", content={"reason": "client 3 failed"})
        >>> event.last  # of the cell that had this key
        True
    """

    key: str
    kind: str
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> bool:
        """Tell whether it is the cell's last event."""
        return self.kind in {"finished", "unjudged", "failed"}


class Callback:
    """Methods that `fedlens.run` and `fedlens.sweep` call as they go; these do nothing, so override those you need.

    A run calls the first five, a sweep the last three.

    Example:
        >>> import fedlens
        >>> class Cohorts(fedlens.Callback):
        ...     def round(self, record):
        ...         print(f"round {record.round} with clients {record.cohort}")
        >>> experiment = fedlens.Experiment(name="mine", data="digits", clients=2, rounds=1, local={"epochs": 1})
        >>> run = fedlens.run(experiment, "runs/mine", engine="serial", observer=Cohorts())
        round 1 with clients [0, 1]
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

    def begin_sweep(self, cells: Sequence[Cell], done: Sequence[Cell], jobs: int) -> None:
        """Note that a sweep begins.

        Args:
            cells: all cells, each experiment once.
            done: those of them that need not be run.
            jobs: how many of the others run at once.
        """

    def event(self, event: Event) -> None:
        """Note that something happened to a cell of the sweep."""

    def end_sweep(self) -> None:
        """Note that all cells have been run, or that something went wrong."""


def callback_of(observer: object, old: Mapping[str, str] | None = None) -> Callback:
    """Return an observer of version 0.1 as a callback.

    It derives from nothing, may lack methods, and gets records as the mappings that they were.

    Args:
        observer: a callback, which is returned as it is, an observer, or ``None``.
        old: names of its methods in version 0.1, by today's.

    Raises:
        ConfigError: it has none of the methods, or is a class.
    """
    if isinstance(observer, Callback):
        return observer
    if isinstance(observer, type):
        raise ConfigError(f"observer: {observer.__name__} is a class; pass an instance, as in {observer.__name__}()")
    callback, old = Callback(), old or {}
    names = [name for name in vars(Callback) if not name.startswith("_")]
    methods = {name: getattr(observer, old.get(name, name), getattr(observer, name, None)) for name in names}
    if observer is not None and not any(map(callable, methods.values())):
        raise ConfigError(
            f"observer: {shortened(observer)} has no method that could be called; derive a class from "
            f"fedlens.Callback, override some of {', '.join(names)}, and pass an instance"
        )
    for name, method in methods.items():
        if callable(method):
            setattr(callback, name, (lambda record, do=method: do(record.by_old_keys())) if name == "round" else method)
    return callback
