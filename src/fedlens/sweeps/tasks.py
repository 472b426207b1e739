"""A sweep's tasks, and what an executor is.

What does a task is imported with the first one, in the worker: the process that hands them out needs no PyTorch.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from fedlens.core.config import validate
from fedlens.core.errors import ClientError, DamagedRunError, FedlensError, RunError, UnjudgedError
from fedlens.core.files import in_a_sweep
from fedlens.core.origin import told
from fedlens.data.dataset import Dataset
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.runs.places import unused
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback, Event


@dataclass(frozen=True)
class Task:
    """A run to be made or resumed by an executor, or a function to be called with an experiment.

    Attributes:
        key: the experiment's identity, or what the call is called.
        experiment: what to run.
        path: the run's directory.
        options: keyword arguments of `fedlens.run` that do not change the result.
        function: ``module:function`` to be called in place of a run, with the experiment, its runtime, and what is
            `given`. It returns plain values, and makes no directory.
        given: its keyword arguments, plain values.
    """

    key: str
    experiment: Experiment
    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    function: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def controls(self) -> Mapping[str, Experiment]:
        """The controls that the run makes if they are missing."""
        return {} if self.function else self.experiment.controls

    @property
    def leaves_twin(self) -> bool:
        """Whether the run leaves a benign twin for others."""
        return not self.function and self.experiment.leaves_twin

    def done(self, callback: Callback, dataset: Dataset | None = None) -> dict[str, Any]:
        """Do the task; return the content of its last event, which is the ``value`` of a function.

        Args:
            callback: is called as a run goes on.
            dataset: its data, if they are in memory already.

        Raises:
            FedlensError: it cannot be done.
        """
        if not self.function:
            self.run(callback, dataset)
            return {}
        from fedlens.simulation.runtime import Runtime

        module, _, name = self.function.partition(":")
        function = getattr(import_module(module), name)
        return {"value": function(self.experiment, Runtime(**self.options, dataset=dataset), **self.given)}

    @in_a_sweep()
    def run(self, callback: Callback, dataset: Dataset | None = None) -> None:
        """Run the experiment, or resume it where it was interrupted; see `done`.

        Raises:
            FedlensError: it cannot be run.
        """
        from fedlens.simulation.runtime import Runtime
        from fedlens.simulation.simulation import play

        resume = (self.path / "experiment.yaml").exists()
        if not resume:  # a kill during the first write leaves a half-written file
            for leftover in self.path.glob(".experiment.yaml.*"):
                leftover.unlink()
        try:
            path = self.path if resume else unused(self.experiment, self.path)
            play(self.experiment, path, Runtime(**self.options, dataset=dataset), callback, resume, note_unjudged=True)
        except DamagedRunError as error:
            raise RunError(f"{error}; {remedy(self.path)}") from error

    def plain(self) -> dict[str, Any]:
        """Return the task as plain values, for another process."""
        options = {name: str(value) if isinstance(value, Path) else value for name, value in self.options.items()}
        described = {"experiment": self.experiment.describe(), "path": str(self.path), "options": options}
        return {"key": self.key, **described, "function": self.function, "given": dict(self.given)}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Task":
        """Return the task that `plain` described."""
        options = dict(values["options"])
        if options.get("data_dir"):
            options["data_dir"] = Path(options["data_dir"])
        experiment = validate(Experiment, values["experiment"])
        call = values.get("function", ""), values.get("given", {})
        return cls(values["key"], experiment, Path(values["path"]), options, *call)


def remedy(path: Path) -> str:
    """Return the advice for a run that is damaged."""
    return f"remove {path}, and the same sweep makes it anew"


Notify = Callable[[Event], None]


class Executor(Protocol):
    """Runs tasks, on this machine or elsewhere."""

    def run(self, tasks: Sequence[Task], notify: Notify) -> None:
        """Run all tasks, several at once; the failure of one does not stop the others.

        Every task ends with an event of kind ``finished``, ``unjudged`` or ``failed``; the call returns after the last.
        A control that several tasks need is made by the first of them; the others begin when it is there.

        Args:
            tasks: the first ones begin first.
            notify: called with every event, one at a time.
        """


class Reporter(Callback):
    """Turns what happens to a task's run into events."""

    def __init__(self, key: str, notify: Notify) -> None:
        self._key = key
        self._notify = notify

    @override
    def begin(self, experiment: Experiment, done: int, *, twin: bool) -> None:
        control = control_name(experiment) if twin else None
        self._notify(Event(self._key, "began", {"control": control, "done": done, "rounds": experiment.rounds}))

    @override
    def round(self, record: RoundRecord) -> None:
        target = record.target
        content = {
            "round": record.round,
            "accuracy": record.quality.accuracy,
            "confidence": target.mean_confidence if target else None,
            "asr": record.backdoor.rate if record.backdoor else None,
        }
        if record.quality.accuracy is None:
            content["mae"] = record.quality.mae
        self._notify(Event(self._key, "round", content))


def perform(task: Mapping[str, Any], notify: Notify, dataset: Dataset | None = None) -> None:
    """Do, in this process, a task given as plain values, and send its events to `notify`."""
    key = task["key"]
    try:
        content = Task.from_plain(task).done(Reporter(key, notify), dataset)
    except UnjudgedError as error:
        notify(Event(key, "unjudged", {"reason": error.reason, "remedies": list(error.remedies)}))
    except (Exception, SystemExit) as error:  # whatever users' code does, the other cells go on
        notify(Event(key, "failed", {"reason": why(error)}))
    else:
        notify(Event(key, "finished", content))


def why(error: BaseException) -> str:
    """Return the reason for a failure; print the traceback unless it is an error of fedlens' own."""
    if isinstance(error, FedlensError):
        notes = getattr(error, "__notes__", [])[-1:] if isinstance(error, ClientError) else []
        return ". ".join([str(error), *notes])
    traceback.print_exception(error)
    return told(error)
