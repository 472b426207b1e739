"""What a sweep has to do, and what it is told meanwhile, whoever does it."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fedlens.core.config import validate
from fedlens.core.errors import ClientError, DamagedRunError, FedlensError, RunError, UnjudgedError
from fedlens.core.files import in_a_sweep
from fedlens.core.origin import told
from fedlens.data.dataset import Dataset
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.runs.places import unused
from fedlens.runs.record_values import confidence
from fedlens.simulation.callback import Observer, Silent
from fedlens.simulation.runtime import Means
from fedlens.simulation.simulation import play


@dataclass(frozen=True)
class Task:
    """A cell's run to be made, or gone on with.

    Attributes:
        key: the experiment's identity.
        experiment: what to run.
        path: the run's directory.
        means: by what means: the keyword arguments of `fedlens.run` that do not change the result.
    """

    key: str
    experiment: Experiment
    path: Path
    means: Mapping[str, Any] = field(default_factory=dict)

    @in_a_sweep()
    def play(self, observer: Observer, dataset: Dataset | None = None) -> None:
        """Run it, from where it was interrupted if it was, with its data where they are in memory already.

        Raises:
            FedlensError: it cannot be run.
        """
        resume = (self.path / "experiment.yaml").exists()
        if not resume:  # killed while it wrote its first file, it has left that half-written
            for leftover in self.path.glob(".experiment.yaml.*"):
                leftover.unlink()
        try:
            path = self.path if resume else unused(self.experiment, self.path)
            play(self.experiment, path, Means(**self.means, dataset=dataset), observer, resume, note_unjudged=True)
        except DamagedRunError as error:
            raise RunError(f"{error}; {remedy(self.path)}") from error

    def plain(self) -> dict[str, Any]:
        """The task as plain values, for another process."""
        means = {name: str(value) if isinstance(value, Path) else value for name, value in self.means.items()}
        return {"key": self.key, "experiment": self.experiment.describe(), "path": str(self.path), "means": means}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Task":
        """The task that `plain` described."""
        means = dict(values["means"])
        if means.get("data_dir"):
            means["data_dir"] = Path(means["data_dir"])
        return cls(values["key"], validate(Experiment, values["experiment"]), Path(values["path"]), means)


@dataclass(frozen=True)
class Event:
    """Something that happened to a task.

    Attributes:
        key: of which task.
        kind: ``began`` (rounds of the run or of a control), ``round``, ``finished``, ``unjudged`` or ``failed``.
        content: for ``began``: ``control`` (what it is called, if it is one), ``done`` and ``rounds``; for ``round``:
            ``round``, ``accuracy`` and ``confidence``; for ``failed``: ``reason``; for ``unjudged``: ``reason`` and
            ``remedies``, as of `fedlens.core.errors.UnjudgedError`.
    """

    key: str
    kind: str
    content: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> bool:
        """Whether nothing more will happen to the task."""
        return self.kind in {"finished", "unjudged", "failed"}


def remedy(path: Path) -> str:
    """What to do about a run that is damaged."""
    return f"remove {path}, and the same sweep makes it anew"


Tell = Callable[[Event], None]


class Workforce(Protocol):
    """Plays tasks, on this machine or elsewhere."""

    def play(self, tasks: Sequence[Task], tell: Tell) -> None:
        """Play all tasks, several at a time; one that fails does not keep the others from being played.

        Every task ends in an event of kind ``finished``, ``unjudged`` or ``failed``; the call returns after the last.

        Args:
            tasks: what to do; the first ones are begun first.
            tell: is called with every event, one at a time.
        """


class Reporter(Silent):
    """The observer of a task's run, which turns what it sees into events."""

    def __init__(self, key: str, tell: Tell) -> None:
        self._key = key
        self._tell = tell

    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        """See `Observer`."""
        control = control_name(experiment) if twin else None
        self._tell(Event(self._key, "began", {"control": control, "done": done, "rounds": experiment.rounds}))

    def round(self, record: dict[str, Any]) -> None:
        """See `Observer`."""
        target = record["target"]
        content = {
            "round": record["round"],
            "accuracy": record["quality"]["accuracy"],
            "confidence": confidence(target) if target else None,
        }
        self._tell(Event(self._key, "round", content))


def perform(task: Mapping[str, Any], tell: Tell, dataset: Dataset | None = None) -> None:
    """Play here a task that has come as plain values, and tell how it goes and ends."""
    key = task["key"]
    try:
        Task.from_plain(task).play(Reporter(key, tell), dataset)
    except UnjudgedError as error:
        tell(Event(key, "unjudged", {"reason": error.reason, "remedies": list(error.remedies)}))
    except (Exception, SystemExit) as error:  # whatever a user's own class does, the other cells go on
        tell(Event(key, "failed", {"reason": why(error)}))
    else:
        tell(Event(key, "finished"))


def why(error: BaseException) -> str:
    """The reason for a failure; the trace of one that no run expects is printed."""
    if isinstance(error, FedlensError):
        notes = getattr(error, "__notes__", [])[-1:] if isinstance(error, ClientError) else []
        return ". ".join([str(error), *notes])
    traceback.print_exception(error)
    return told(error)
