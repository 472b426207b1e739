"""Tasks of a sweep on the machines of a Ray cluster: run a cell, make a control.

Each is stateless: all inputs come with it, and all results go back as the files of a run directory. So it can be done
anywhere, any number of times, and no file system has to be shared.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from fedlens.cluster.event_queue import EventSender
from fedlens.cluster.kinds import kind
from fedlens.cluster.packed_data import PackedDataset
from fedlens.cluster.task_folder import task_folder
from fedlens.core.config import validate
from fedlens.core.files import in_a_sweep
from fedlens.core.private_paths import without_folders
from fedlens.core.remote import Kind
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.runs.controls import cache_path
from fedlens.runs.folder import Files, files_of, lay_out
from fedlens.simulation.callback import Event
from fedlens.simulation.controls import make_control
from fedlens.simulation.runtime import Runtime
from fedlens.sweeps.tasks import Reporter, perform, why


@dataclass(frozen=True)
class SharedOptions:
    """Options shared by all tasks of a sweep.

    Attributes:
        send: sends events to the sweep.
        kind: the kind that the machine must be of; ``None`` for any.
    """

    send: EventSender
    kind: Kind | None


@dataclass(frozen=True)
class TaskResult:
    """The result of a task.

    Attributes:
        files: files of the run directory; complete unless there is a `reason`.
        name: a control's key in the cache.
        reason: why the task failed or cannot be judged, if so.
        remedies: what to do if it cannot be judged.
        printed: what was printed meanwhile, and by which machine.
        foreign: the kind of the machine if it is not the required one.
        value: what a function returned, if the task was to call one.
    """

    files: Files = field(default_factory=dict)
    name: str = ""
    reason: str = ""
    remedies: tuple[str, ...] = ()
    printed: str = ""
    foreign: Kind | None = None
    value: Any = None


def run_cell(
    task: Mapping[str, Any], begun: Files, dataset: PackedDataset, shared: SharedOptions, *controls: TaskResult
) -> TaskResult:
    """Run a task.

    Args:
        task: as plain values; its path is that of the run directory on the sweep's machine, not on this one.
        begun: the run's files, if it has begun.
        dataset: its data.
        shared: options that all tasks have in common.
        controls: its benign twin and its placebo, if it needs them.
    """
    for control in controls:
        if control.reason or control.foreign is not None:
            return replace(control, files={})
    if shared.kind is not None and shared.kind != (this_kind := kind()):
        return TaskResult(foreign=this_kind)
    ends: list[Event] = []

    def notify(event: Event) -> None:
        (ends.append if event.last else shared.send)(event)

    with _workspace() as (folder, printed):
        run = folder / "run"
        if begun:
            lay_out(begun, run)
        for control in controls:
            lay_out(control.files, cache_path(control.name))
        perform({**task, "path": str(run)}, notify, dataset.unpack())
        end = ends[0].content
        reason, remedies = end.get("reason", "").replace(str(run), task["path"]), tuple(end.get("remedies", ()))
        return TaskResult(
            files_of(run),
            reason=reason,
            remedies=remedies,
            printed=_headed(f"cell {task['key']}", printed),
            value=end.get("value"),
        )


@in_a_sweep()
def run_control(
    task: Mapping[str, Any], control: Mapping[str, Any], dataset: PackedDataset, shared: SharedOptions
) -> TaskResult:
    """Make a task's control, given as plain values; other arguments as in `run_cell`."""
    if shared.kind is not None and shared.kind != (this_kind := kind()):
        return TaskResult(foreign=this_kind)
    name, files, reason, role = "", {}, "", "control"
    with _workspace() as (_, printed):
        try:
            experiment = validate(Experiment, dict(control))
            role = control_name(experiment)
            runtime = Runtime(**task["options"], dataset=dataset.unpack())
            path = make_control(experiment, runtime, Reporter(task["key"], shared.send))
            name, files = path.name, files_of(path)
        except (Exception, SystemExit) as error:  # users' code may raise anything
            reason = f"{role}: {why(error)}"
        return TaskResult(files, name, reason, printed=_headed(f"{role} of cell {task['key']}", printed))


@contextmanager
def _workspace() -> Iterator[tuple[Path, StringIO]]:
    """Yield a temporary folder, with fedlens' cache in it, and what is printed meanwhile."""
    torch.set_num_threads(1)
    printed, before = StringIO(), os.environ.get("FEDLENS_CACHE")
    with task_folder() as folder:
        os.environ["FEDLENS_CACHE"] = str(folder / "cache")
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                yield folder, printed
        finally:
            del os.environ["FEDLENS_CACHE"]
            if before is not None:
                os.environ["FEDLENS_CACHE"] = before


def _headed(source: str, printed: StringIO) -> str:
    """Return what was printed, below a line that says by what, and on which of Ray's nodes, but not its host's name."""
    import ray

    text = without_folders(printed.getvalue())
    return f"{source} on node {ray.get_runtime_context().get_node_id()[:8]}:\n{text}" if text else ""
