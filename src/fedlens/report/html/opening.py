"""How a page begins: what was run in one sentence, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.window import attack_window, split
from fedlens.core.registry import name_of
from fedlens.experiment.experiment import Experiment
from fedlens.report.html.check_scores import noticed_words
from fedlens.report.verdict import verdict
from fedlens.report.words import (
    METRIC_TITLES,
    absent_words,
    attack_name,
    attackers_words,
    difference_words,
    in_number,
    measure_name,
    metric_words,
    quality_words,
    wanted_words,
)
from fedlens.runs.record_values import counts, destroyed, met, met_rounds, targeted


@dataclass(frozen=True)
class Number:
    """A number that stands out at the head of a page."""

    value: str
    label: str


def sentence(run: Run) -> str:
    """Say in one sentence what was run."""
    experiment, target = run.experiment, aim(run)
    if experiment.attack is None:
        attacked = "nobody attacked"
    else:
        attacked = f"{attackers_words(experiment)} attacked by {attack_name(experiment)}"
        attacked += f" to have {target}" if target else " to make the model worse"
    return f"{_trained(experiment)}; {attacked}; {_served(experiment)}."


def shared_sentence(experiments: Iterable[Experiment]) -> str:
    """Say in one sentence what all of these ran but for the attack; empty where they differ in it."""
    sentences = {f"{_trained(experiment)}; {_served(experiment)}." for experiment in experiments}
    return sentences.pop() if len(sentences) == 1 else ""


def clients_words(experiment: Experiment) -> str:
    """Say who takes part: ``10 clients (without client 9), 5 of them chosen in each round``."""
    words = f"{experiment.clients} clients" if experiment.clients > 1 else "one client"
    if absent := absent_words(experiment):
        words += f" ({absent})"
    if experiment.cohort_size < experiment.clients:
        words += f", {experiment.cohort_size} of them chosen in each round"
    return words


def _trained(experiment: Experiment) -> str:
    names = {kind: name_of(kind, getattr(experiment, kind)) for kind in ("data", "model", "partition")}
    people = clients_words(experiment)
    people = people[:1].upper() + people[1:] + "," * (experiment.cohort_size < experiment.clients)
    rounds = "1 round" if experiment.rounds == 1 else f"{experiment.rounds} rounds"
    return f"{people} trained the model {names['model']} on {names['data']} ({names['partition']}) for {rounds}"


def _served(experiment: Experiment) -> str:
    checks = list(experiment.detectors)
    inspected = f", having checked them by {_listed(checks)}" if checks else ", without a check"
    return f"the server aggregated the updates by {experiment.server}{inspected}"


def aim(run: Run) -> str:
    """Say what the attacker wants; empty for an untargeted attack."""
    if run.target.goal is not None and targeted(run.experiment):
        return f"inputs with a trigger taken for {wanted_words(run.target)}"
    if not targeted(run.experiment):
        return ""
    index, classes = run.target.index, run.target.classes
    if len(index) > 1:
        return f"{len(index)} test samples misclassified"
    true, target = classes[run.target.true[0]], classes[run.target.target[0]]
    return f"test sample {index[0]} ({true}) classified as {target}"


def outcome(run: Run) -> str:
    """Say what came of it, in sentences, after the rounds that there are."""
    if run.experiment.attack is None and destroyed(run.records) is None:
        last, measure = run.records[-1], measure_name(regression=run.regression)
        words = f"Nobody attacked; test {measure} {quality_words(last.quality)} after round {last.round}."
    else:
        words = verdict(run)
    return f"{words} {noticed_words(run)}".strip()


def succeeded(run: Run) -> bool | None:
    """Tell whether the attack met its target at the end of its window.

    ``None`` where that is not the question, or is a success that does not count, for it is none of the attack's.
    """
    if run.experiment.goal is not None:
        inside, _ = split(run.records, attack_window(run.experiment, run.records))
        judged = run.experiment.attack is not None and destroyed(run.records) is None
        return counts(run.experiment, inside) if judged and inside[-1].goal_met is not None else None
    if run.experiment.attack is None or not aim(run) or destroyed(run.records) is not None:
        return None
    inside, _ = split(run.records, attack_window(run.experiment, run.records))
    success = met(inside[-1])
    return None if success and not counts(run.experiment, inside) else success


def numbers(run: Run) -> list[Number]:
    """Return the numbers that matter most, after the last round."""
    last = run.records[-1]
    twin = last.twin
    head_numbers = []
    if run.experiment.goal is not None:
        head_numbers += _goal_numbers(run)
    elif run.experiment.attack is not None and aim(run):
        inside, _ = split(run.records, attack_window(run.experiment, run.records))
        judged = inside[-1]
        head_numbers.append(Number(f"{judged.outcome.mean_confidence:.2f}", "confidence in the target class"))
        if judged.twin:
            head_numbers.append(Number(f"{judged.twin.outcome.mean_confidence:.2f}", "the same without attack"))
        if judged.placebo:
            absent = judged.placebo.outcome.mean_confidence
            head_numbers.append(Number(f"{absent:.2f}", in_number("the same with the client absent", run.experiment)))
        head_numbers.append(Number(f"{met_rounds(inside)} of {len(inside)}", "rounds in which the target is met"))
    if last.quality.accuracy is not None:
        head_numbers.append(Number(percent(last.quality.accuracy), "test accuracy"))
    for name, value in last.quality.metrics.items():
        head_numbers.append(Number(metric_words(name, value), METRIC_TITLES.get(name, name)))
    if twin:
        unit = "MAE" if run.regression else "percentage points"
        head_numbers.append(Number(difference_words(last.quality, twin.quality), f"{unit} vs. the benign twin"))
    return head_numbers


def _goal_numbers(run: Run) -> list[Number]:
    """Return the numbers of a goal other than target samples."""
    inside, _ = split(run.records, attack_window(run.experiment, run.records))
    judged, found = inside[-1], []
    sides = {
        "attack success rate": judged,
        "the same without attack": judged.twin,
        in_number("the same with the client absent", run.experiment): judged.placebo,
    }
    for label, side in sides.items():
        if side is not None and side.backdoor is not None:
            found.append(Number(percent(side.backdoor.rate), label))
    if judged.goal_met is not None:
        found.append(Number(f"{met_rounds(inside)} of {len(inside)}", "rounds in which the goal is met"))
    return found


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
