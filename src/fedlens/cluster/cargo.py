"""What a sweep's errands take along, as objects of Ray's: each data set once, each benign twin and placebo once.

An object goes to a machine when a task there first needs it, and stays there for the next. A control's is the value of
a task, so that Ray lets its cells wait for it, and makes it again should it be lost with its machine.
"""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fedlens.analysis.run_results import load_run
from fedlens.cluster.packed_data import PackedDataset
from fedlens.cluster.tasks import Made, Terms, play_control
from fedlens.core.errors import RunError
from fedlens.core.registry import describe
from fedlens.data.dataset import Dataset
from fedlens.data.loading import load
from fedlens.experiment.experiment import Experiment
from fedlens.runs.folder import files_of
from fedlens.simulation.leaving import leaves_twin
from fedlens.simulation.runtime import Means
from fedlens.simulation.simulation import cached_control, leave_twin
from fedlens.simulation.twin import keep
from fedlens.sweeps.tasks import Task


class Cargo:
    """See the module.

    Args:
        tasks: all that will need something.
        terms: see there.
        retries: how often a control is made again whose worker or machine was lost.
    """

    def __init__(self, tasks: Sequence[Task], terms: Terms, retries: int) -> None:
        import ray

        self._make = ray.remote(num_cpus=1, max_retries=retries)(play_control)
        self._terms = terms
        self._datasets: dict[str, tuple[Dataset, Any]] = {}
        self._controls: dict[str, Any] = {}
        self._kept: set[str] = set()
        self._needed = Counter(name for task in tasks for name in _names(task))

    def dataset(self, task: Task) -> Any:
        """The object with its data, loaded when the first task needs them.

        Raises:
            DataError: they are missing or corrupt.
        """
        return self._loaded(task)[1]

    def controls(self, task: Task) -> list[Any]:
        """The objects with its controls, which are made if need be."""
        import ray

        settled = self._settled(task)
        for name, control in settled.items():
            if name not in self._controls:
                dataset, reference = self._loaded(task)
                found = cached_control(control, Means(**task.options, dataset=dataset))
                if found is not None:
                    self._controls[name] = ray.put(Made(files_of(found), found.name))
                    self._kept.add(name)
                else:
                    described = control.describe()
                    self._controls[name] = self._make.remote(plain(task), described, reference, self._terms)
        return [self._controls[name] for name in settled]

    def keep(self, task: Task) -> str:
        """Put its controls, which are made, into this machine's cache; returns what was printed when they were."""
        import ray

        printed = ""
        for name, control in self._settled(task).items():
            if name not in self._kept:
                self._kept.add(name)
                made: Made = ray.get(self._controls[name])
                with suppress(RunError, OSError):  # all that need it have it; the cache is for the next time
                    keep(made.name, made.files, control)
                printed += made.printed
        return printed

    def leave(self, task: Task) -> None:
        """Put the benign twin that its complete run without attack is into this machine's cache."""
        if leaves_twin(task.experiment):
            with suppress(RunError, OSError):  # as above
                run = replace(load_run(task.path), experiment=task.experiment)
                leave_twin(run, Means(**task.options, dataset=self._loaded(task)[0]))

    def forget(self, task: Task) -> None:
        """Let the cluster forget its controls, where it was the last task with them."""
        for name in _names(task):
            self._needed[name] -= 1
            if not self._needed[name]:
                self._controls.pop(name, None)

    def references(self) -> list[Any]:
        """The objects with controls, made or being made."""
        return list(self._controls.values())

    def _settled(self, task: Task) -> dict[str, Experiment]:
        """The controls of a task by their names, with as many samples set apart as its data allow."""
        settled = task.experiment.settled(len(self._loaded(task)[0].train))
        return dict(zip(_names(task), settled.controls.values(), strict=True))

    def _loaded(self, task: Task) -> tuple[Dataset, Any]:
        import ray

        name = json.dumps(describe("data", task.experiment.data), sort_keys=True)
        if name not in self._datasets:
            dataset = load(task.experiment.data, task.options.get("data_dir"))
            self._datasets[name] = dataset, ray.put(PackedDataset.of(dataset))
        return self._datasets[name]


def plain(task: Task) -> dict[str, Any]:
    """The task for another machine, where this one's data files are not."""
    values = task.plain()
    return {**values, "options": {**values["options"], "data_dir": None}}


def _names(task: Task) -> list[str]:
    """What its controls are called here, before its data say how many samples are set apart where nothing else does."""
    given = task.experiment.validation
    return [f"{control.identity()} {given}" for control in task.experiment.controls.values()]
