"""Whole jobs, from the shell to the exit: ``fedlens run`` against the same by other frameworks and by a bare loop."""

import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from peers import ENVIRONMENTS, PEERS
from stepping import QUIET
from watching import watch
from workloads import WORKLOADS

from fedlens.experiment.experiment import Experiment

ROUNDS: Mapping[str, int] = {"census-10": 10, "census-100": 20, "fashion-small": 2}
"""How many rounds a job on each of these workloads plays."""

YARDSTICK = "fedlens run"

CONTENDERS: Mapping[str, str] = {
    YARDSTICK: "fedlens",
    "Flower ×2": "flower",
    "bare ×2": "bare",
    **{name: peer.environment for name, peer in PEERS.items() if peer is ENVIRONMENTS[peer.environment]},
}
"""Who does jobs, and what `job.py` calls it."""


@dataclass(frozen=True)
class Job:
    """How one job went.

    Attributes:
        seconds: from start to exit.
        startup: seconds beyond its rounds, of which the first, which warms up, counts as the median of the others.
        peak: most memory of all its processes together, in bytes.
        accuracy: test accuracy after the last round.
    """

    seconds: float
    startup: float
    peak: int
    accuracy: float


Result = tuple[list[float], float]
"""Seconds of each round, and the last accuracy."""


def describe(workload: str, quick: bool) -> Experiment:
    """The experiment of a job; one round of one epoch where it has to be quick."""
    if quick:
        return replace(WORKLOADS[workload], epochs=1).experiment(rounds=1)
    return WORKLOADS[workload].experiment(ROUNDS[workload])


def compare(
    experiment: Experiment, repeats: int, without: Collection[str], tell: Callable[[str], None]
) -> dict[str, list[Job]]:
    """Every contender's jobs, one after the other, in an order that is reversed every time; `without` these.

    Raises:
        RuntimeError: a job failed.
    """
    jobs: dict[str, list[Job]] = {name: [] for name in CONTENDERS if CONTENDERS[name] not in without}
    order = list(jobs)
    for repeat in range(repeats):
        for name in order:
            jobs[name].append(run(name, experiment, tell))
        order.reverse()
        tell(f"job {repeat + 1} of {repeats}")
    return jobs


def run(name: str, experiment: Experiment, tell: Callable[[str], None]) -> Job:
    """Do one job."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "experiment.yaml"), Path(folder, "result")
        source.write_text(yaml.safe_dump(experiment.describe()), encoding="utf-8")
        watched = watch(command(name, source, target), QUIET)
        seconds, accuracy = read_run(target) if name == YARDSTICK else read_result(target)
    if watched.left:
        tell(f"{name} left {watched.left} processes behind, which were killed")
    startup = watched.seconds - sum(seconds[1:]) - median(seconds[1:] or seconds)
    return Job(watched.seconds, startup, watched.peak, accuracy)


def command(name: str, source: Path, target: Path) -> list[str]:
    """What one would type."""
    if name == YARDSTICK:
        program = str(Path(sys.executable).with_name("fedlens"))
        return [program, "run", str(source), "--no-control", "--out", str(target)]
    return [sys.executable, str(Path(__file__).with_name("job.py")), CONTENDERS[name], str(source), str(target)]


def read_run(path: Path) -> Result:
    """The result in a run's directory."""
    timings, records = (lines(path / f"{name}.jsonl") for name in ("timings", "rounds"))
    seconds = [sum(value for name, value in timing.items() if name != "round") for timing in timings]
    return seconds, float(records[-1]["quality"]["accuracy"])


def lines(path: Path) -> list[dict[str, Any]]:
    """The values in a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_result(path: Path) -> Result:
    """The result that `job.py` wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    return values["seconds"], float(values["accuracy"])
