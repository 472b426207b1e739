"""What a sweep's errands take along, as objects of Ray's: each data set once, each benign twin once.

An object goes to a machine when a task there first needs it, and stays there for the next. A twin's is the value of a
task, so that Ray lets its cells wait for it, and makes it again should it be lost with its machine.
"""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fedlens.control import keep
from fedlens.data.dataset import Dataset
from fedlens.data.loading import load
from fedlens.data.packed import PackedDataset
from fedlens.errors import RunError
from fedlens.means import Means
from fedlens.parts import describe
from fedlens.runs.folder import files_of
from fedlens.runs.load import load_run
from fedlens.simulation import find_twin, leave_twin
from fedlens.sweeps.errands import Made, Terms, play_twin
from fedlens.sweeps.tasks import Task


class Cargo:
    """See the module.

    Args:
        tasks: all that will need something.
        terms: see there.
        retries: how often a twin is made again whose worker or machine was lost.
    """

    def __init__(self, tasks: Sequence[Task], terms: Terms, retries: int) -> None:
        import ray

        self._make = ray.remote(num_cpus=1, max_retries=retries)(play_twin)
        self._terms = terms
        self._datasets: dict[str, tuple[Dataset, Any]] = {}
        self._twins: dict[str, Any] = {}
        self._kept: set[str] = set()
        self._needed = Counter(_twin(task) for task in tasks)

    def dataset(self, task: Task) -> Any:
        """The object with its data, loaded when the first task needs them.

        Raises:
            DataError: they are missing or corrupt.
        """
        return self._loaded(task)[1]

    def twin(self, task: Task) -> Any:
        """The object with its benign twin, which is made if need be; ``None`` where it needs none."""
        import ray

        name = _twin(task)
        if name is None:
            return None
        if name not in self._twins:
            dataset, reference = self._loaded(task)
            found = find_twin(task.experiment, Means(**task.means, dataset=dataset))
            if found is not None:
                self._twins[name] = ray.put(Made(files_of(found), found.name))
                self._kept.add(name)
            else:
                self._twins[name] = self._make.remote(plain(task), reference, self._terms)
        return self._twins[name]

    def keep(self, task: Task) -> str:
        """Put its twin, which is made, into this machine's cache; returns what was printed when it was."""
        import ray

        if (name := _twin(task)) is None or name in self._kept:
            return ""
        self._kept.add(name)
        made: Made = ray.get(self._twins[name])
        with suppress(RunError, OSError):  # all that need it have it; the cache is for the next time
            keep(made.name, made.files, task.experiment.twin())
        return made.printed

    def leave(self, task: Task) -> None:
        """Put the benign twin that its complete run without attack is into this machine's cache."""
        with suppress(RunError, OSError):  # as above
            leave_twin(load_run(task.path), Means(**task.means, dataset=self._loaded(task)[0]))

    def forget(self, task: Task) -> None:
        """Let the cluster forget its twin, if it was the last task with that."""
        if (name := _twin(task)) is not None:
            self._needed[name] -= 1
            if not self._needed[name]:
                self._twins.pop(name, None)

    def twins(self) -> list[Any]:
        """The objects with twins, made or being made."""
        return list(self._twins.values())

    def _loaded(self, task: Task) -> tuple[Dataset, Any]:
        import ray

        name = json.dumps(describe("data", task.experiment.data), sort_keys=True)
        if name not in self._datasets:
            dataset = load(task.experiment.data, task.means.get("data_dir"))
            self._datasets[name] = dataset, ray.put(PackedDataset.of(dataset))
        return self._datasets[name]


def plain(task: Task) -> dict[str, Any]:
    """The task for another machine, where this one's data files are not."""
    values = task.plain()
    return {**values, "means": {**values["means"], "data_dir": None}}


def _twin(task: Task) -> str | None:
    return task.experiment.twin().identity() if task.experiment.needs_twin else None
