"""What a sweep lets the machines of a Ray cluster do: play a cell, make a control.

Each is a stateless task. All that it needs comes with it, and all that it makes goes back as the files of a run's
directory. So it can be done anywhere, any number of times, and no file system has to be shared.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from fedlens.cluster.kinds import kind
from fedlens.cluster.mailbox import Post
from fedlens.cluster.packed_data import PackedDataset
from fedlens.cluster.workshop import workshop
from fedlens.core.config import validate
from fedlens.core.files import in_a_sweep
from fedlens.core.remote import Kind
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.runs.folder import Files, files_of, lay_out
from fedlens.simulation.runtime import Means
from fedlens.simulation.simulation import make_control
from fedlens.simulation.twin import place
from fedlens.sweeps.tasks import Event, Reporter, perform, why


@dataclass(frozen=True)
class Terms:
    """What all errands of a sweep are done by.

    Attributes:
        post: is told how they go.
        kind: of what kind the machine has to be; ``None`` for any.
    """

    post: Post
    kind: Kind | None


@dataclass(frozen=True)
class Made:
    """What an errand brings back.

    Attributes:
        files: of the run's directory, complete unless there is a `reason`.
        name: a control's place in the cache.
        reason: why it failed, or cannot be judged, if so.
        remedies: what to do where it cannot be judged.
        printed: what was printed meanwhile, and where.
        foreign: of what kind the machine is, where it is another one than it has to be.
    """

    files: Files = field(default_factory=dict)
    name: str = ""
    reason: str = ""
    remedies: tuple[str, ...] = ()
    printed: str = ""
    foreign: Kind | None = None


def play_cell(task: Mapping[str, Any], begun: Files, dataset: PackedDataset, terms: Terms, *controls: Made) -> Made:
    """Play a task.

    Args:
        task: as plain values; its path is where the run will be, which is not on this machine.
        begun: the run's files, if it has been begun.
        dataset: its data.
        terms: see there.
        controls: its benign twin and its placebo, as far as it needs them.
    """
    for control in controls:
        if control.reason or control.foreign is not None:
            return replace(control, files={})
    if terms.kind is not None and terms.kind != (here := kind()):
        return Made(foreign=here)
    ends: list[Event] = []

    def notify(event: Event) -> None:
        (ends.append if event.last else terms.post)(event)

    with _at_work() as (folder, printed):
        run = folder / "run"
        if begun:
            lay_out(begun, run)
        for control in controls:
            lay_out(control.files, place(control.name))
        perform({**task, "path": str(run)}, notify, dataset.unpack())
        end = ends[0].content
        reason, remedies = end.get("reason", "").replace(str(run), task["path"]), tuple(end.get("remedies", ()))
        return Made(files_of(run), reason=reason, remedies=remedies, printed=_headed(f"cell {task['key']}", printed))


@in_a_sweep()
def play_control(task: Mapping[str, Any], control: Mapping[str, Any], dataset: PackedDataset, terms: Terms) -> Made:
    """Make a control of a task's, as plain values; other arguments as in `play_cell`."""
    if terms.kind is not None and terms.kind != (here := kind()):
        return Made(foreign=here)
    name, files, reason, called = "", {}, "", "control"
    with _at_work() as (_, printed):
        try:
            experiment = validate(Experiment, dict(control))
            called = control_name(experiment)
            means = Means(**task["options"], dataset=dataset.unpack())
            path = make_control(experiment, means, Reporter(task["key"], terms.post))
            name, files = path.name, files_of(path)
        except (Exception, SystemExit) as error:  # a user's own class may do anything
            reason = f"{called}: {why(error)}"
        return Made(files, name, reason, printed=_headed(f"{called} of cell {task['key']}", printed))


@contextmanager
def _at_work() -> Iterator[tuple[Path, StringIO]]:
    """A folder that is removed afterwards, with a cache in it, and what is printed meanwhile."""
    torch.set_num_threads(1)
    printed, before = StringIO(), os.environ.get("FEDLENS_CACHE")
    with workshop() as folder:
        os.environ["FEDLENS_CACHE"] = str(folder / "cache")
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                yield folder, printed
        finally:
            del os.environ["FEDLENS_CACHE"]
            if before is not None:
                os.environ["FEDLENS_CACHE"] = before


def _headed(what: str, printed: StringIO) -> str:
    """What was printed, below a line that says by whom."""
    text = printed.getvalue()
    return f"{what} on {platform.node()}:\n{text}" if text else ""
