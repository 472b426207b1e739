"""Records read from JSON, which may be damaged or of an earlier version."""

from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from pydantic_core import from_json

from fedlens.core.documents import Proportion
from fedlens.core.errors import shortened
from fedlens.models.evaluation import Metrics
from fedlens.runs.record import ROUND, VERSION, RoundRecord
from fedlens.runs.version_1 import upgraded

T = TypeVar("T")


@dataclass(frozen=True)
class LatestQuality:
    """Part of a model's quality."""

    accuracy: Proportion | None
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class LatestTarget:
    """Part of a model's answers to the target samples."""

    confidence: Annotated[list[Proportion], Field(min_length=1)]

    @property
    def mean_confidence(self) -> float:
        """Mean probability of the target class."""
        return sum(self.confidence) / len(self.confidence)


@dataclass(frozen=True)
class LatestBackdoor:
    """Part of a model's answers to triggered inputs."""

    hits: NonNegativeInt
    count: PositiveInt

    @property
    def rate(self) -> float:
        """The attack success rate."""
        return self.hits / self.count


@dataclass(frozen=True)
class Latest:
    """The part of a round's record that a list of runs shows; it is the same in all versions."""

    round: int
    quality: LatestQuality
    target: LatestTarget | None
    backdoor: LatestBackdoor | None = None


LATEST = TypeAdapter(Latest)


def parsed_round(line: bytes, malicious: int | None = None) -> RoundRecord:
    """Parse a line of ``rounds.jsonl`` of any version.

    Args:
        line: the line.
        malicious: the client that attacks, which version 1 does not say; ``None`` if there is no attack.

    Raises:
        ValueError: it is not valid JSON, has another form, or contradicts itself; the message says where.
    """
    values = from_json(line)
    version = values.get("version", 1) if isinstance(values, dict) else 1
    if type(version) is not int or version < 0:
        raise ValueError(f"version: a whole number from 0 is needed, not {shortened(version, 40)}")
    if version > VERSION:
        raise ValueError(f"version: {version}, which only a later fedlens reads; install that")
    try:
        return ROUND.validate_python(values if version == VERSION else upgraded(values, malicious))
    except ValidationError as error:
        raise ValueError(fault(error)) from None


def parsed(shape: TypeAdapter[T], text: bytes) -> T:
    """Parse JSON and validate it against `shape`.

    Raises:
        ValueError: it is not valid JSON, or has another shape; the message says where.
    """
    try:
        return shape.validate_json(text)
    except ValidationError as error:
        raise ValueError(fault(error)) from None


def fault(error: ValidationError) -> str:
    """Describe the first fault, with its path in the document."""
    first: Any = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "function-")))
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] in {"json_invalid", "missing"}:
        return f"{path}: {message}" if path else message
    return f"{path or 'it'}: {message}, not {shortened(first['input'], 40)}"
