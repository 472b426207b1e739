"""A run in a few numbers: ``summary.json``."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter
from typing_extensions import override

from fedlens.core.documents import Proportion
from fedlens.models.evaluation import Metrics
from fedlens.runs.key_access import KeyAccess


@dataclass(frozen=True)
class Window:
    """Consecutive rounds.

    Attributes:
        first: the first of them.
        last: the last of them.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.summary.window
        Window(first=1, last=2)
    """

    first: PositiveInt
    last: PositiveInt


@dataclass(frozen=True)
class Confidences:
    """Mean confidence in the target classes over some rounds.

    Attributes:
        last: in the last round.
        best: the highest.
        mean: the mean over the rounds.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.summary.target.confidence.best > 0.9
        True
    """

    last: Proportion
    best: Proportion
    mean: Proportion


@dataclass(frozen=True)
class TargetSummary:
    """What a model made of the target samples over the rounds of the attack's window.

    Attributes:
        confidence: in the target classes.
        true_confidence: mean confidence in the true classes in the last round.
        predicted: classes predicted in the last round; ``None`` where the answer is NaN.
        success: True if every target is met in the last round.
        successful_rounds: number of rounds in which every target is met.
        final_confidence: mean confidence in the target classes after the run's last round.
        counts: True if this is a success of the attack's own (`fedlens.runs.record_values.counts`); ``None`` of a
            control, and in runs of early versions.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.summary.target.success, run.summary.target.successful_rounds
        (True, 2)
    """

    confidence: Confidences
    true_confidence: Proportion
    predicted: Annotated[list[NonNegativeInt | None], Field(min_length=1)]
    success: bool
    successful_rounds: NonNegativeInt
    final_confidence: Proportion
    counts: bool | None = None


@dataclass(frozen=True)
class BackdoorSummary:
    """What a model answered to triggered inputs over the rounds of the attack's window; rates are fractions.

    Attributes:
        rate: the attack success rate in the last round.
        low: where its 95 % interval begins, by Wilson's method.
        high: where that ends.
        best: the highest rate.
        mean: the mean over the rounds.
        final: the rate after the run's last round.
        count: number of inputs.
        probability: mean probability of the class wanted in the last round.
        untriggered: the rate on the same inputs without the trigger, in the last round.
        parts: the rate with each part of the trigger alone, in the last round; empty unless it has several.

    Example:
        >>> from fedlens import Experiment, run
        >>> attack = {"name": "explicit-boosting", "step_cap": 50}
        >>> digits = {"data": "digits", "rounds": 1, "attack": attack, "control": False}
        >>> summary = run(Experiment(goal="backdoor", **digits), "runs/backdoor", engine="serial").summary
        >>> summary.goal.backdoor.low <= summary.goal.backdoor.rate <= summary.goal.backdoor.high
        True
    """

    rate: Proportion
    low: Proportion
    high: Proportion
    best: Proportion
    mean: Proportion
    final: Proportion
    count: PositiveInt
    probability: Proportion
    untriggered: Proportion
    parts: list[Proportion] = field(default_factory=list)


@dataclass(frozen=True)
class GoalSummary:
    """What became of a goal other than target samples over the rounds of the attack's window.

    Attributes:
        met: True if it is met in the last round and in at least half of all; ``None`` without a benign twin.
        counts: True if this is the attack's own doing (`fedlens.runs.record_values.counts`); likewise.
        met_rounds: number of rounds in which it is met.
        accuracy_drop: how far the test accuracy is below the twin's in the last round, a fraction; ``None`` without.
        largest_drop: the same in the round where it is farthest.
        backdoor: answers to triggered inputs, if there are any.
        mae_rise: of a regression, how far the test MAE is above the twin's in the last round in which both are finite.
        largest_rise: the same in the round where it is farthest.

    Example:
        >>> from fedlens.runs import GoalSummary
        >>> damaged = GoalSummary(met=True, counts=True, met_rounds=3, accuracy_drop=0.3, largest_drop=0.4)
        >>> f"{100 * damaged.accuracy_drop:.0f} points lost"
        '30 points lost'
    """

    met: bool | None
    counts: bool | None
    met_rounds: NonNegativeInt
    accuracy_drop: float | None
    largest_drop: float | None
    backdoor: BackdoorSummary | None = None
    mae_rise: float | None = None
    largest_rise: float | None = None


@dataclass(frozen=True)
class Lifespan:
    """How long a backdoor outlived its attack.

    Attributes:
        rounds: after the window's last until the mean confidence, or the success rate of a trigger, was below
            `fedlens.analysis.window.FADED` for the first time, 0 where that last round left it there already; ``None``
            if it never was.
        censored: True if the run ended before.
        area: under the confidence over the rounds after the window, in rounds.
        observed: number of these rounds.

    Example:
        >>> from fedlens.runs import Lifespan
        >>> Lifespan(rounds=3, censored=False, area=1.6, observed=4)
        Lifespan(rounds=3, censored=False, area=1.6, observed=4)
    """

    rounds: NonNegativeInt | None
    censored: bool
    area: float
    observed: PositiveInt


@dataclass(frozen=True)
class ClassLoss:
    """The class that lost most accuracy against the benign twin.

    Attributes:
        name: the class.
        points: the difference in percentage points.

    Example:
        >>> from fedlens.runs import ClassLoss
        >>> lost = ClassLoss("sneaker", points=-12.5)
        >>> f"most lost in class {lost.name}: {lost.points} points"
        'most lost in class sneaker: -12.5 points'
    """

    name: Annotated[str, Field(alias="class")]
    points: float


@dataclass(frozen=True)
class FirstAndLast:
    """A value in the first and in the last of some rounds.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> accuracy = run.summary.malicious_accuracy
        >>> 0 <= accuracy.first <= 1 and 0 <= accuracy.last <= 1
        True
    """

    first: Proportion
    last: Proportion


@dataclass(frozen=True)
class Participation:
    """Mean confidence after rounds with the malicious client, and after later ones without it.

    Example:
        >>> from fedlens.runs import Participation
        >>> fading = Participation(present=0.9, absent=0.4)
        >>> round(fading.present - fading.absent, 1)
        0.5
    """

    present: Annotated[Proportion, Field(alias="with")]
    absent: Annotated[Proportion, Field(alias="without")]


@dataclass(frozen=True)
class DefenceSummary:
    """What became of the malicious clients' updates.

    Attributes:
        rounds: in which one of them took part.
        rejected: number of these in which all of their updates were rejected.
        skipped: number of rounds in which the global model stayed as it was.
        chosen: in how many an update of theirs alone was taken, under a rule that takes one; else ``None``.
        effective_weight: mean over the rounds of the effective weight of all of them; ``None`` if the rule cannot tell.
        malformed: number of rounds in which an update of theirs was not finite, or of another shape.
        precision: share of the rejected updates that were sent in attack; ``None`` if none was rejected.
        recall: share of the updates sent in attack that were rejected; ``None`` if none was sent.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.summary.defence.rounds, run.summary.defence.rejected
        (2, 0)
    """

    rounds: PositiveInt
    rejected: NonNegativeInt
    skipped: NonNegativeInt
    chosen: NonNegativeInt | None
    effective_weight: Annotated[float | None, Field(alias="share")]
    malformed: NonNegativeInt = 0
    precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True)
class Performance:
    """A check's decisions counted over clients and rounds; a ratio is ``None`` where it is not defined.

    Attributes:
        attacking: how often a client attacked.
        honest: how often a client did not.
        caught: how often an attacking client was flagged.
        false_alarms: how often an honest client was flagged.
        precision: share of the flagged that attacked; ``None`` without attacking clients or without flags.
        recall: share of the attacking that were flagged; ``None`` without attacking clients.
        false_positive_rate: share of the honest that were flagged; ``None`` without honest clients.
        roc_auc: probability that an attacking client has a higher score than an honest one, an equal score counting
            half; ``None`` unless there are both.

    Example:
        >>> import fedlens
        >>> experiment = fedlens.Experiment(name="watched", data="digits", rounds=1, checks=["distances"])
        >>> run = fedlens.run(experiment, "runs/watched", engine="serial")
        >>> run.summary.checks["distances"].honest
        10
    """

    attacking: Annotated[NonNegativeInt, Field(alias="guilty")]
    honest: Annotated[NonNegativeInt, Field(alias="innocent")]
    caught: NonNegativeInt
    false_alarms: NonNegativeInt
    precision: Proportion | None
    recall: Proportion | None
    false_positive_rate: Proportion | None
    roc_auc: Proportion | None


@dataclass(frozen=True)
class Malformed:
    """Updates rejected because they were not finite, or of another shape: how many, in how many rounds, of whom.

    Example:
        >>> from fedlens.runs import Malformed
        >>> sent = Malformed(updates=2, rounds=2, clients=[4])
        >>> f"{sent.updates} updates of clients {sent.clients} were not finite"
        '2 updates of clients [4] were not finite'
    """

    updates: PositiveInt
    rounds: PositiveInt
    clients: list[NonNegativeInt]


@dataclass(frozen=True)
class ControlSummary:
    """A control over the same rounds.

    Attributes:
        accuracy: of its last model; ``None`` of a regression.
        would_stop_at: round at which the paper's stopping rule would have ended it.
        window_accuracy: after the last round of the attack's window.
        target: what it made of the target samples, unless the goal is another one.
        lifespan: what would be the backdoor's.
        backdoor: what it answered to triggered inputs, if there are any.
        metrics: what else was asked for, of its last model, by name.

    Example:
        >>> import fedlens
        >>> local = {"epochs": 5, "batch_size": 20}
        >>> digits = {"data": "digits", "clients": 2, "rounds": 1, "local": local}
        >>> experiment = fedlens.Experiment(name="mine", attack="honest", **digits)
        >>> run = fedlens.run(experiment, "runs/mine", engine="serial")
        >>> run.summary.twin.accuracy == run.summary.accuracy
        True
    """

    accuracy: Proportion | None
    would_stop_at: PositiveInt | None
    window_accuracy: Proportion | None
    target: TargetSummary | None
    lifespan: Lifespan | None
    backdoor: BackdoorSummary | None = None
    metrics: Metrics = field(default_factory=dict)


@dataclass(frozen=True)
class Summary(KeyAccess):
    """A run's result.

    Attributes:
        rounds: number of rounds played.
        accuracy: test accuracy of the last model; ``None`` of a regression, whose errors are among `metrics`.
        best_accuracy: the highest test accuracy.
        best_round: the round that it was reached in, or of a regression the least mean absolute error.
        hardest_hit: the class whose accuracy is farthest below the twin's after the last round, if one is.
        paper_stop: accuracy at which the paper stops training on this data set.
        would_stop_at: round at which that would have ended the run.
        window: rounds that the attack is judged by (`fedlens.analysis.window.attack_window`).
        window_accuracy: test accuracy after the last of them.
        target: what the model made of the target samples in them; ``None`` in a control, as are the next two, and where
            the goal is another one.
        lifespan: what became of the backdoor after them.
        participation: confidence with and without the malicious client.
        malicious_accuracy: the malicious model's in the first and last round in which it attacked.
        defence: what became of the malicious client's updates.
        checks: how well each of the server's checks did.
        twin: the benign twin over the same rounds.
        placebo: the federation without the malicious client over the same rounds.
        flags: reasons to doubt the result.
        malformed: updates that were not finite, or of another shape, if there were any.
        destroyed: round after which the model was not finite, if there was one.
        goal: what became of a goal other than target samples.
        metrics: what else was asked for, of the last model, by name (`fedlens.models.metrics`).
        checksums: of the run's files, by their paths in it.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.summary.rounds, run.summary.target.success, run.summary.twin
        (2, True, None)
    """

    rounds: PositiveInt
    accuracy: Proportion | None
    best_accuracy: Proportion | None
    best_round: PositiveInt
    hardest_hit: ClassLoss | None
    paper_stop: float | None
    would_stop_at: PositiveInt | None
    window: Window | None
    window_accuracy: Proportion | None
    target: TargetSummary | None
    lifespan: Lifespan | None
    malicious_accuracy: FirstAndLast | None
    participation: Participation | None
    defence: DefenceSummary | None
    checks: dict[str, Performance]
    twin: Annotated[ControlSummary | None, Field(alias="control")]
    flags: list[str]
    placebo: ControlSummary | None = None
    malformed: Malformed | None = None
    destroyed: PositiveInt | None = None
    goal: GoalSummary | None = None
    metrics: Metrics = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    @property
    def controls(self) -> dict[str, ControlSummary]:
        """The controls that were run, ``control`` (the benign twin) and ``placebo``."""
        sides = {"control": self.twin, "placebo": self.placebo}
        return {name: side for name, side in sides.items() if side is not None}

    def with_checksums(self, checksums: dict[str, str]) -> Self:
        """Return the summary with the checksums of the run's files."""
        return replace(self, checksums=checksums)

    def plain(self) -> dict[str, Any]:
        """Return the summary as it is written."""
        values: dict[str, Any] = SUMMARY.dump_python(self, by_alias=True)
        for side in (values, values["control"], values["placebo"]):
            for name in {"backdoor", "goal"} & (side or {}).keys():
                if side[name] is None:  # as in runs for target samples
                    del side[name]
            if side and not side["metrics"]:
                del side["metrics"]
        if goal := values.get("goal"):
            for name in ("mae_rise", "largest_rise"):
                if goal[name] is None:  # as of classes
                    del goal[name]
        return values

    @override
    def by_old_keys(self) -> dict[str, Any]:
        optional = {"malformed", "destroyed"}
        return {name: value for name, value in self.plain().items() if value is not None or name not in optional}


SUMMARY = TypeAdapter(Summary)
