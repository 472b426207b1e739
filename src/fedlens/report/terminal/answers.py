"""What models answered, for the tables of a run: to target samples, or to triggered inputs."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.report.words import error_words
from fedlens.runs.record import RoundRecord, class_name
from fedlens.runs.run_summary import BackdoorSummary, ControlSummary, GoalSummary, Summary, TargetSummary

Sides = Sequence[ControlSummary | Summary]
"""The summary's controls, and the run's own summary last."""


def target_lines(run: Run, sides: Sides, rounds: str, at_end: str) -> Iterator[tuple[str, ...]]:
    """Yield the confidence in target classes, a name and a value of each side.

    Args:
        run: the run.
        sides: whose answers.
        rounds: the rounds of the window, in words.
        at_end: where its last round has to be told.
    """
    classes, wanted = run.target.classes, run.target.target
    as_class = f" ({classes[wanted[0]]})" if len(wanted) == 1 else f" (mean of {len(wanted)})"
    head = f"confidence in target class{as_class}{at_end}"
    yield head, *_every(sides, lambda target: f"{target.confidence.last:.3f}")
    yield f"… best of {rounds}", *_every(sides, lambda target: f"{target.confidence.best:.3f}")
    yield f"… mean over {rounds}", *_every(sides, lambda target: f"{target.confidence.mean:.3f}")


def answer_lines(run: Run, sides: Sides, rounds: str, at_end: str, played: int) -> Iterator[tuple[str, ...]]:
    """Yield the other answers to target samples, in the same way; the window has so many rounds `played`."""
    classes, wanted = run.target.classes, run.target.target
    true_class = f" ({classes[run.target.true[0]]})" if len(wanted) == 1 else ""
    head = f"confidence in true class{true_class}{at_end}"
    yield head, *_every(sides, lambda target: f"{target.true_confidence:.3f}")
    if len(wanted) == 1:
        yield f"predicted class{at_end}", *_every(sides, lambda target: class_name(classes, target.predicted[0]))
    met = f"{rounds} in which every target is met"
    yield met, *_every(sides, lambda target: f"{target.successful_rounds} of {played}")


def goal_lines(goal: GoalSummary, sides: Sides, rounds: str, at_end: str) -> Iterator[tuple[str, ...]]:
    """Yield what came of a goal other than target samples, in the same way."""
    answers = [side.backdoor if isinstance(side, ControlSummary) else goal.backdoor for side in sides]

    def every(show: Callable[[BackdoorSummary], str]) -> list[str]:
        return ["" if answer is None else show(answer) for answer in answers]

    def alone(value: str) -> list[str]:
        return [*("" for _ in sides[1:]), value]

    if goal.backdoor is not None:
        head = f"attack success rate{at_end}, of {goal.backdoor.count}"
        yield head, *every(lambda answer: percent(answer.rate))
        yield "… 95 % interval", *every(lambda answer: f"{100 * answer.low:.1f} to {percent(answer.high)}")
        yield f"… best of {rounds}", *every(lambda answer: percent(answer.best))
        yield f"… mean over {rounds}", *every(lambda answer: percent(answer.mean))
        yield "… without the trigger", *every(lambda answer: percent(answer.untriggered))
        for part in range(len(goal.backdoor.parts)):
            yield f"… by part {part} alone", *every(lambda answer, part=part: percent(answer.parts[part]))  # type: ignore[misc]
    if goal.accuracy_drop is not None and goal.largest_drop is not None:
        yield f"accuracy lost to the attack{at_end}", *alone(_points(goal.accuracy_drop))
        yield f"… most in {rounds}", *alone(_points(goal.largest_drop))
    if goal.mae_rise is not None and goal.largest_rise is not None:
        yield f"rise of the MAE by the attack{at_end}", *alone(error_words(goal.mae_rise))
        yield f"… most in {rounds}", *alone(error_words(goal.largest_rise))


def answer_columns(run: Run) -> tuple[list[str], str]:
    """Return the columns of a table of rounds that hold answers, and the beginning of its caption."""
    if run.experiment.goal is None:
        last = "predicted" if len(run.target.index) == 1 else "met"
        return ["target", "true", last], "target, true: confidence in these classes; "
    if run.records[-1].backdoor is None:
        return ["met"], "met: whether the goal is met; "
    return ["ASR", "met"], "ASR: attack success rate; met: whether the goal is met; "


def answer_cells(run: Run, record: RoundRecord) -> list[str]:
    """Return what stands in these columns in the line of a round."""
    others = list(record.controls.values())
    if run.experiment.goal is not None:
        met = "–" if record.goal_met is None else "yes" if record.goal_met else "no"
        if record.backdoor is None:
            return [met]
        rates = [percent(other.backdoor.rate) for other in others if other.backdoor is not None]
        return [percent(record.backdoor.rate) + in_brackets(rates), met]
    target, single = record.outcome, len(run.target.index) == 1
    return [
        f"{target.mean_confidence:.3f}" + in_brackets(f"{other.outcome.mean_confidence:.3f}" for other in others),
        f"{target.mean_true_confidence:.3f}",
        class_name(run.target.classes, target.predicted[0]) if single else f"{target.met} of {len(target.predicted)}",
    ]


def in_brackets(values: Iterable[str]) -> str:
    """Put the values into brackets; empty where there are none."""
    words = ", ".join(values)
    return f" ({words})" if words else ""


def _every(sides: Sides, show: Callable[[TargetSummary], str]) -> list[str]:
    """Show each side's answers to the target samples."""
    return [show(side.target) if side.target is not None else "" for side in sides]


def _points(share: float) -> str:
    """Write a share lost in percentage points; a gain is negative."""
    return "none" if share == 0 else f"{100 * share:.1f} points".replace("-", "−")
