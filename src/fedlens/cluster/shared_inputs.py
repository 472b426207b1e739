"""Inputs that tasks of a sweep share, as objects of Ray's: each data set once, each benign twin and placebo once.

An object goes to a machine when a task there first needs it, and stays there for the next. A control is the value of a
Ray task, so that Ray lets the cells wait for it, and makes it again should it be lost with its machine.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fedlens.analysis.run_results import load_run
from fedlens.cluster.packed_data import PackedDataset
from fedlens.cluster.remote_tasks import SharedOptions, TaskResult, run_control
from fedlens.core.errors import RunError
from fedlens.data.dataset import Dataset
from fedlens.data.loading import load
from fedlens.experiment.experiment import Experiment
from fedlens.runs.folder import files_of
from fedlens.simulation.controls import cached_control, leave_twin
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.twin import keep
from fedlens.sweeps.data_consistency import data_of
from fedlens.sweeps.tasks import Task


class SharedInputs:
    """Data sets and controls that tasks share.

    Args:
        tasks: all tasks that will ask for inputs.
        shared: options that all tasks have in common.
        retries: how often to make a control again if its worker or machine is lost.
    """

    def __init__(self, tasks: Sequence[Task], shared: SharedOptions, retries: int) -> None:
        import ray

        self._make = ray.remote(num_cpus=1, max_retries=retries)(run_control)
        self._shared = shared
        self._datasets: dict[str, tuple[Dataset, Any]] = {}
        self._controls: dict[str, Any] = {}
        self._in_cache: set[str] = set()
        self._uses_left = Counter(name for task in tasks for name in _names(task))

    def dataset(self, task: Task) -> Any:
        """Return the object with a task's data, which are loaded when the first task needs them.

        Raises:
            DataError: they are missing or corrupt.
        """
        return self._loaded(task)[1]

    def controls(self, task: Task) -> list[Any]:
        """Return the objects with a task's controls, which are made unless they are in the cache."""
        import ray

        settled = self._settled(task)
        for name, control in settled.items():
            if name not in self._controls:
                dataset, reference = self._loaded(task)
                cached = cached_control(control, Runtime(**task.options, dataset=dataset))
                if cached is not None:
                    self._controls[name] = ray.put(TaskResult(files_of(cached), cached.name))
                    self._in_cache.add(name)
                else:
                    described = control.describe()
                    self._controls[name] = self._make.remote(plain(task), described, reference, self._shared)
        return [self._controls[name] for name in settled]

    def cache_controls(self, task: Task) -> str:
        """Put a task's finished controls into this machine's cache; return what was printed while they were made."""
        import ray

        printed = ""
        for name, control in self._settled(task).items():
            if name not in self._in_cache:
                self._in_cache.add(name)
                result: TaskResult = ray.get(self._controls[name])
                with suppress(RunError, OSError):  # the cache is only for later runs
                    keep(result.name, result.files, control)
                printed += result.printed
        return printed

    def cache_twin(self, task: Task) -> None:
        """Put a task's complete run, if it is one without attack, into this machine's cache as a benign twin."""
        if task.leaves_twin:
            with suppress(RunError, OSError):  # as above
                run = replace(load_run(task.path), experiment=task.experiment)
                leave_twin(run, Runtime(**task.options, dataset=self._loaded(task)[0]))

    def release(self, task: Task) -> None:
        """Let the cluster drop a task's controls if no other task needs them any more."""
        for name in _names(task):
            self._uses_left[name] -= 1
            if not self._uses_left[name]:
                self._controls.pop(name, None)

    def references(self) -> list[Any]:
        """Return the objects with controls, made or being made."""
        return list(self._controls.values())

    def _settled(self, task: Task) -> dict[str, Experiment]:
        """Return a task's controls by their names, with as many samples set apart as its data allow."""
        settled = task.experiment.settled(len(self._loaded(task)[0].train))
        return dict(zip(_names(task), settled.controls.values() if task.controls else (), strict=True))

    def _loaded(self, task: Task) -> tuple[Dataset, Any]:
        import ray

        name = data_of(task.experiment)
        if name not in self._datasets:
            dataset = load(task.experiment.data, task.options.get("data_dir"))
            self._datasets[name] = dataset, ray.put(PackedDataset.of(dataset))
        return self._datasets[name]


def plain(task: Task) -> dict[str, Any]:
    """Return the task as plain values for another machine, which lacks this one's data files."""
    values = task.plain()
    return {**values, "options": {**values["options"], "data_dir": None}}


def _names(task: Task) -> list[str]:
    """Return names for a task's controls; they do not depend on its data, which may decide what is set apart."""
    validation = task.experiment.validation
    return [f"{control.identity()} {validation}" for control in task.controls.values()]
