"""What came of putting a Flower app to the test, as its file has it; to read it takes no Flower."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from fedlens.core.documents import Finite, Proportion
from fedlens.core.errors import DamagedRunError
from fedlens.core.regular import regular

RESULT = "result.json"
Reached = Annotated[Proportion | None, BeforeValidator(lambda value: None if value == "NaN" else value)]
"""A proportion; of a model that is no number, there is none."""
Measure = Literal["confidence", "rate", "accuracy"]
MEASURES: Mapping[Measure, str] = {
    "confidence": "confidence in the class wanted",
    "rate": "attack success rate",
    "accuracy": "test accuracy",
}
"""What shows how far an attack has come, the plainest first."""
LIMITS = (
    "Attacks that were not tried. Those that were know nothing of the server; an attack that does, and is made for it, "
    "gets further: `fedlens audit` with the strategy as the rule looks for one.",
    "Other data, models, numbers of nodes and teams of attackers.",
    "Rates of success that a few seeds cannot tell from none: the intervals say how high they may be.",
    "What protects a deployed federation beside its strategy, such as who may take part.",
)
"""What such a test cannot see."""


class RoundTested(BaseModel):
    """What a global model answers.

    Attributes:
        round: its number.
        confidence: mean confidence in the classes wanted.
        rate: attack success rate of a backdoor.
        accuracy: on test samples.
    """

    model_config = ConfigDict(frozen=True)

    round: PositiveInt
    confidence: Reached = None
    rate: Reached = None
    accuracy: Reached = None


class TrialTested(BaseModel):
    """One federation.

    Attributes:
        defence: in place of the app's strategy.
        attack: by name; ``None`` for the control.
        seed: of its draws.
        success: whether the last model does what attackers want; ``None`` if it is not known.
        fault: how it ended before its time; empty if it did not.
        rounds: what each global model answers.
    """

    model_config = ConfigDict(frozen=True)

    defence: str
    attack: str | None
    seed: int
    success: bool | None
    fault: str = ""
    rounds: tuple[RoundTested, ...]

    def last(self, measure: Measure) -> float | None:
        """Return what the last global model reaches."""
        return getattr(self.rounds[-1], measure) if self.rounds else None


class FlowerTested(BaseModel):
    """An app that was put to the test.

    Attributes:
        app: its name.
        sentence: what was done.
        nodes: how many there are.
        attackers: how many of them attack.
        seeds: the seeds.
        table: a row for each defence and attack, by column.
        flags: reasons to doubt it.
        trials: all federations.
    """

    model_config = ConfigDict(frozen=True)

    app: str
    sentence: str
    nodes: PositiveInt
    attackers: NonNegativeInt
    seeds: tuple[int, ...]
    table: tuple[Mapping[str, str], ...] = Field(min_length=1)
    flags: tuple[str, ...]
    trials: tuple[TrialTested, ...] = Field(min_length=1)

    @property
    def measure(self) -> Measure:
        """What shows how far an attack has come."""
        for name in ("confidence", "rate"):
            if any(trial.last(name) is not None for trial in self.trials):
                return name
        return "accuracy"

    def of(self, defence: str, attack: str | None) -> list[TrialTested]:
        """Return the federations with a defence and an attack."""
        return [one for one in self.trials if (one.defence, one.attack) == (defence, attack)]


@dataclass(frozen=True)
class Course:
    """What an attack reaches in each round: means over seeds."""

    rounds: Sequence[int]
    means: Sequence[Finite]


def course(trials: Sequence[TrialTested], measure: Measure) -> Course:
    """Return what some federations reach in each round."""
    found: dict[int, list[float]] = {}
    for trial in trials:
        for one in trial.rounds:
            if (value := getattr(one, measure)) is not None:
                found.setdefault(one.round, []).append(value)
    return Course(list(found), [fmean(values) for values in found.values()])


def read_flower_tested(folder: Path) -> FlowerTested:
    """Read a test's directory.

    Raises:
        DamagedRunError: its file is missing or damaged.
    """
    file = folder / RESULT
    try:
        return FlowerTested.model_validate(json.loads(regular(file).read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    except (OSError, ValueError, RecursionError) as error:
        why = str(error)
    raise DamagedRunError(f"{file}: cannot be read ({why}); repeat the command that made it: fedlens flower test")
