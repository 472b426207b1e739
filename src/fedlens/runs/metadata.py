"""What a run's small files say of it: its target samples, its starts, the seconds that its rounds took."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import NonNegativeInt, PositiveInt, TypeAdapter
from typing_extensions import override

from fedlens.runs.key_access import KeyAccess


@dataclass(frozen=True)
class TargetRecord(KeyAccess):
    """``target.json``: the target samples, each list with an entry per sample, and the names of all classes.

    Attributes:
        index: indices in the test set.
        true: true classes.
        target: target classes.
        classes: the classes' names.
        goal: what was wanted instead, with everything that it took from the data; then there are no samples.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.target.classes[run.target.target[0]]
        '7'
    """

    index: list[NonNegativeInt]
    true: list[NonNegativeInt]
    target: list[NonNegativeInt]
    classes: list[str]
    goal: dict[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        """Return the record as it is written."""
        values: dict[str, Any] = TARGET.dump_python(self)
        return values if self.goal else {name: value for name, value in values.items() if name != "goal"}

    @override
    def by_old_keys(self) -> dict[str, Any]:
        return self.plain()


@dataclass(frozen=True)
class StartRecord:
    """A line of ``environment.jsonl``: a start of the run. Early versions did not note everything.

    Attributes:
        started: the time, in UTC.
        command: the command line, without secrets.
        python: Python's version.
        packages: versions of what fedlens computes with.
        platform: the operating system.
        machine: the processor's architecture.
        numerics: everything that bits depend on.
        commit: of a source checkout, with ``+`` if files differed from it.
        engine: what trained the clients.
        reason: why this engine was chosen.
        workers: number of worker processes.
        device: where PyTorch computed.
    """

    started: str | None = None
    command: list[str] | str = ""
    python: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    platform: str | None = None
    machine: str | None = None
    numerics: dict[str, str] = field(default_factory=dict)
    commit: str | None = None
    engine: str | None = None
    reason: str | None = None
    workers: int | None = None
    device: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return the record as it is written."""
        values: dict[str, Any] = START.dump_python(self)
        return values


@dataclass(frozen=True)
class TimingRecord:
    """A line of ``timings.jsonl``: the seconds of each stage of a round."""

    round: PositiveInt
    training: float
    checks: float
    aggregation: float
    evaluation: float

    @property
    def seconds(self) -> float:
        """The seconds of all stages."""
        return self.training + self.checks + self.aggregation + self.evaluation

    def plain(self) -> dict[str, Any]:
        """Return the record as it is written."""
        values: dict[str, Any] = TIMING.dump_python(self)
        return values


TARGET, START, TIMING = TypeAdapter(TargetRecord), TypeAdapter(StartRecord), TypeAdapter(TimingRecord)
