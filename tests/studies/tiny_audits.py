"""Audits of a few seconds: tiny schedules, the arms that do not adapt, and all federations in this process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedlens.experiment.experiment import Experiment
from fedlens.studies.audit import audit as auditing
from fedlens.studies.audit.arms import Arm, arms_for
from fedlens.studies.audit.audit import Audit, audit
from fedlens.studies.audit.schedule import Schedule
from fedlens.studies.audit.verdict import Effort
from fedlens.sweeps import sweep_runtime
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep_runtime import SweepRuntime

ALONE = SweepRuntime(jobs=1, engine="serial")


def fixed_arms(experiment: Experiment) -> tuple[list[Arm], dict[str, str]]:
    """Those that adapt take long."""
    fitting, unfit = arms_for(experiment)
    return [arm for arm in fitting if not arm.adaptive], unfit


@contextmanager
def tiny(schedules: Mapping[Effort, Schedule], cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auditing, "SCHEDULES", schedules)
        patch.setattr(auditing, "arms_for", fixed_arms)
        patch.setattr(sweep_runtime, "LocalExecutor", InProcessExecutor)
        patch.setenv("FEDLENS_CACHE", str(cache))
        yield


def made(folder: Path, experiment: Experiment, effort: Effort = "standard", **options: Any) -> Audit:
    options = {"accuracy_cost": 1.0, "runtime": ALONE} | options
    return audit(experiment, folder, effort=effort, **options)
