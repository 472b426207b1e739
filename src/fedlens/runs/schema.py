"""The schema of a run's files: files are validated once, when they are read.

Extra keys are allowed everywhere, as a later version may add some. A number that JSON does not have is written as a
word (`fedlens.core.documents`), or in older files as it is.
"""

# mypy: disable-error-code="call-arg"
# It does not know PEP 728's `extra_items` yet, which pydantic uses.

from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # Python's does not have `extra_items` yet

from fedlens.core.documents import revived
from fedlens.core.errors import shortened

Finite = Annotated[float, Field(allow_inf_nan=False)]
Numbers = list[float]
Details = Numbers | list[Numbers]
Logged = Annotated[str | bool | int | float | None, BeforeValidator(revived)]


class Quality(TypedDict, extra_items=Any):
    """Quality of a model: see `fedlens.models.evaluation.Quality`."""

    accuracy: Finite
    loss: float
    per_class: list[Finite | None]


class Target(TypedDict, extra_items=Any):
    """Answers to the target samples: see `fedlens.models.evaluation.Success`."""

    confidence: Annotated[Numbers, Field(min_length=1)]
    true_confidence: Numbers
    predicted: list[NonNegativeInt | None]
    met: NonNegativeInt
    success: bool


class Beside(TypedDict, extra_items=Any):
    """A control's values of the same round."""

    quality: Quality
    target: Target


class Check(TypedDict, extra_items=Details):
    """A check's verdict on the clients that it saw; further lists are its details."""

    scores: list[Finite]
    flagged: list[bool]


class Attack(TypedDict, extra_items=Logged):
    """Log of the simulator and the attack in a round; the attack may log any number or word."""

    acted: bool
    reason: str | None
    alpha: Finite
    estimate_error: NotRequired[float | None]
    estimate_cosine: NotRequired[float | None]


class Round(TypedDict, extra_items=Any):
    """A line of ``rounds.jsonl``: see `fedlens.runs.record.RoundRecord`."""

    round: PositiveInt
    cohort: Annotated[list[NonNegativeInt], Field(min_length=1)]
    attacker: bool
    shares: list[Finite] | None
    checks: dict[str, Check]
    rejected: list[NonNegativeInt]
    skipped: str | None
    quality: Quality
    target: Target | None
    malicious: Quality | None
    attack: Attack | None
    control: Beside | None
    placebo: NotRequired[Beside | None]
    malformed: NotRequired[list[NonNegativeInt]]
    destroyed: NotRequired[bool]


class Samples(TypedDict, extra_items=Any):
    """``target.json``: the target samples, and the names of all classes."""

    index: Annotated[list[NonNegativeInt], Field(min_length=1)]
    true: list[NonNegativeInt]
    target: list[NonNegativeInt]
    classes: list[str]


class LatestQuality(TypedDict, extra_items=Any):
    """Part of `Quality`."""

    accuracy: Finite


class LatestTarget(TypedDict, extra_items=Any):
    """Part of `Target`."""

    confidence: Annotated[Numbers, Field(min_length=1)]


class Latest(TypedDict, extra_items=Any):
    """The part of a line of ``rounds.jsonl`` that a list of runs shows."""

    round: PositiveInt
    quality: LatestQuality
    target: LatestTarget | None


class Start(TypedDict, extra_items=Any):
    """A line of ``environment.jsonl``: see `fedlens.runs.environment`."""

    numerics: NotRequired[dict[str, str]]
    packages: NotRequired[dict[str, str]]


class Timing(TypedDict, extra_items=float):
    """A line of ``timings.jsonl``: seconds of each stage."""

    round: PositiveInt
    training: float
    checks: float
    aggregation: float
    evaluation: float


class Span(TypedDict):
    """The first and the last of consecutive rounds."""

    first: PositiveInt
    last: PositiveInt


class Confidences(TypedDict):
    """Confidences in the target class over the window: last, highest and mean."""

    last: float
    best: float
    mean: float


class FirstAndLast(TypedDict):
    """Values in the first and the last round."""

    first: float
    last: float


Sides = TypedDict("Sides", {"with": float, "without": float})
Loss = TypedDict("Loss", {"class": str, "points": float})


class Backdoor(TypedDict, extra_items=Any):
    """Success over the rounds of the attack's window."""

    confidence: Confidences
    true_confidence: float
    predicted: Annotated[list[NonNegativeInt | None], Field(min_length=1)]
    success: bool
    successful_rounds: NonNegativeInt
    final_confidence: float
    counts: NotRequired[bool]


class Lifespan(TypedDict, extra_items=Any):
    """Lifespan of a backdoor: see `fedlens.analysis.window.lifespan`."""

    rounds: NonNegativeInt | None
    censored: bool
    area: float
    observed: PositiveInt


class Defence(TypedDict, extra_items=Any):
    """Effect of the defence: see `fedlens.analysis.defence.defence`."""

    rounds: PositiveInt
    rejected: NonNegativeInt
    skipped: NonNegativeInt
    chosen: NonNegativeInt | None
    share: float | None


class Performance(TypedDict, extra_items=Any):
    """Performance of a check: see `fedlens.analysis.detection.Performance`."""

    guilty: NonNegativeInt
    innocent: NonNegativeInt
    caught: NonNegativeInt
    false_alarms: NonNegativeInt
    precision: float | None
    recall: float | None
    false_positive_rate: float | None
    roc_auc: float | None


class Malformed(TypedDict):
    """Updates that were rejected because they were not finite."""

    updates: PositiveInt
    rounds: PositiveInt
    clients: list[NonNegativeInt]


class Compared(TypedDict, extra_items=Any):
    """The part of a summary about a control."""

    accuracy: float
    would_stop_at: PositiveInt | None
    window_accuracy: float
    target: Backdoor
    lifespan: Lifespan | None


class Summary(TypedDict, extra_items=Any):
    """``summary.json``: see `fedlens.analysis.summary.summarise`."""

    rounds: PositiveInt
    accuracy: float
    best_accuracy: float
    best_round: PositiveInt
    hardest_hit: Loss | None
    paper_stop: float | None
    would_stop_at: PositiveInt | None
    window: Span | None
    window_accuracy: float
    target: Backdoor | None
    lifespan: Lifespan | None
    malicious_accuracy: FirstAndLast | None
    participation: Sides | None
    defence: Defence | None
    checks: dict[str, Performance]
    control: Compared | None
    placebo: NotRequired[Compared | None]
    flags: list[str]
    malformed: NotRequired[Malformed]
    destroyed: NotRequired[PositiveInt]
    checksums: dict[str, str]


ROUND, LATEST, SAMPLES, START = TypeAdapter(Round), TypeAdapter(Latest), TypeAdapter(Samples), TypeAdapter(Start)
TIMING, SUMMARY = TypeAdapter(Timing), TypeAdapter(Summary)

T = TypeVar("T")


def parsed(shape: TypeAdapter[T], text: bytes) -> dict[str, Any]:
    """Parse JSON and validate it against `shape`.

    Raises:
        ValueError: it is not valid JSON, or has another shape; the message says where.
    """
    try:
        values = shape.validate_json(text)
    except ValidationError as error:
        raise ValueError(fault(error)) from None
    assert isinstance(values, dict)
    return values


def fault(error: ValidationError) -> str:
    """Describe the first fault, with its path in the document."""
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("list[", "function-")))
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] in {"json_invalid", "missing"}:
        return f"{path}: {message}" if path else message
    return f"{path or 'it'}: {message}, not {shortened(first['input'], 40)}"
