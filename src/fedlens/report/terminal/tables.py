"""A run as tables for the terminal."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from fedlens.analysis.counted import counted
from fedlens.analysis.idle import idle_filters
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.window import FADED
from fedlens.report.terminal.answers import (
    answer_cells,
    answer_columns,
    answer_lines,
    goal_lines,
    in_brackets,
    target_lines,
)
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import (
    BESIDE,
    METRIC_TITLES,
    attack_name,
    detection_words,
    in_number,
    measure_name,
    metric_words,
    quality_words,
    span_words,
)
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import mean
from fedlens.runs.run_summary import ControlSummary, Lifespan, Summary, Window


def summary_table(run: Run) -> PlainTable:
    """Tabulate the run and its controls, a line for each figure."""
    assert run.summary is not None, "the run has not been finished"
    table = PlainTable(title=f"{run.path}, after {counted(run.summary.rounds, 'round')}")
    table.add_column("")
    for name in run.summary.controls:
        table.add_column(in_number(BESIDE[name], run.experiment), justify="right")
    table.add_column(attack_name(run.experiment) if run.experiment.attack else "without attack", justify="right")
    for name, *values in summary_lines(run):
        table.add_row(name, *values)
    return table


def summary_lines(run: Run) -> Iterator[tuple[str, ...]]:
    """Of each line its name, the value of each of the summary's controls, and the run's own."""
    assert run.summary is not None, "the run has not been finished"
    summary = run.summary
    sides: list[ControlSummary | Summary] = [*summary.controls.values(), summary]

    def of_lives(show: Callable[[Lifespan], str]) -> list[str]:
        """Show each side's lifespan."""
        return [show(side.lifespan) if side.lifespan is not None else "" for side in sides]

    def alone(value: str) -> list[str]:
        """Return the columns for a value that only the run itself has."""
        return [*("" for _ in sides[1:]), value]

    if not run.regression:
        yield "test accuracy", *(_share(side.accuracy) for side in sides)
    for name in summary.metrics:
        yield METRIC_TITLES.get(name, name), *(metric_words(name, side.metrics.get(name)) for side in sides)
    if hit := summary.hardest_hit:
        yield f"… most lost in class {hit.name}", *alone(f"{-hit.points:.1f} points")
    window = summary.window or Window(1, summary.rounds)
    played = window.last - window.first + 1
    whole = played == summary.rounds
    rounds, at_end = ("rounds", "") if whole else (span_words(window), f", round {window.last}")
    if window.last < summary.rounds:
        last = run.records[window.last - 1]
        ends: list[ControlRecord | RoundRecord] = [*(last.controls[name] for name in summary.controls), last]
        name = measure_name(regression=run.regression)
        yield f"test {name}{at_end}", *(quality_words(side.quality) for side in ends)
    if summary.goal is None:
        yield from target_lines(run, sides, rounds, at_end)
    else:
        yield from goal_lines(summary.goal, sides, rounds, at_end)
    if parts := summary.participation:
        who, it = ("a malicious client", "one") if len(run.experiment.team) > 1 else ("the malicious client", "it")
        yield f"… after rounds with {who}", *alone(f"{parts.present:.3f}")
        yield f"… after rounds without {it}", *alone(f"{parts.absent:.3f}")
    if summary.goal is None:
        yield from answer_lines(run, sides, rounds, at_end, played)
    else:
        judged = run.records[window.first - 1 : window.last]
        yield f"{rounds} in which the goal is met", *(_goal_met(judged, name) for name in [*summary.controls, ""])
    if summary.lifespan:
        final = [_final(side) for side in sides]
        noun = "confidence" if summary.goal is None else "attack success rate"
        yield f"{noun} after the attack, round {summary.rounds}", *final
        yield f"… rounds until it is below {FADED:g}", *of_lives(_until_faded)
        area = of_lives(lambda life: f"{life.area:.2f} of {life.observed}")
        yield "… area under it, in rounds", *area
    which = "round" if whole else f"of {rounds}"
    told = {"averages": bool(run.experiment.server.averages), "several": len(run.experiment.team) > 1}
    passed = [
        (f"updates dropped by {name}", f"none{'' if whole else f' in {rounds}'}")
        for name in idle_filters(run.experiment, run.records[window.first - 1 : window.last])
    ]
    for name, value in chain(
        _attack_lines(run, which), _accident_lines(summary), _defence_lines(summary, **told), passed
    ):
        yield name, *alone(value)
    if stop := summary.paper_stop:
        stops = (side.would_stop_at for side in sides)
        reached = (f"in round {when}" if when else "not reached" for when in stops)
        yield f"stopping accuracy of the paper, {100 * stop:.2f} %", *reached


def _goal_met(records: Sequence[RoundRecord], control: str) -> str:
    """Count the rounds in which a goal is met by the run itself, or by a `control` that is judged against the twin."""
    sides = [record.controls.get(control) if control else record for record in records]
    met = [side and side.goal_met for side in sides]
    if None in met:
        return "" if control else "–"
    return f"{sum(map(bool, met))} of {len(met)}"


def _final(side: ControlSummary | Summary) -> str:
    """Show how strong the backdoor is after the last round."""
    goal = side if isinstance(side, ControlSummary) else side.goal
    backdoor = None if goal is None else goal.backdoor
    if backdoor is not None:
        return f"{backdoor.final:.3f}"
    return "" if side.target is None else f"{side.target.final_confidence:.3f}"


def _until_faded(life: Lifespan) -> str:
    """Say how many rounds after its window the backdoor lived on."""
    return f"more than {life.observed}" if life.censored else str(life.rounds)


def _attack_lines(run: Run, which: str) -> Iterator[tuple[str, str]]:
    """Yield what the attack logged, and how its own model did in the first and the last round, a name and a value."""
    rounds = [[client.attack for client in record.attackers if client.attack] for record in run.records]
    attacks = [attack for of_round in rounds for attack in of_round]
    if attacks:
        announced = sum(attack.alpha for attack in next(of_round for of_round in reversed(rounds) if of_round))
        alpha = "Σα_m of the attackers" if len(run.experiment.team) > 1 else "α_m"
        yield f"{alpha} (assumed to be announced)", f"{announced:.4g}"
    if len(run.experiment.team) > 1:
        numbers = [len(record.malicious_clients) for record in run.records]
        least, most = min(numbers), max(numbers)
        span = str(most) if least == most else f"{least} to {most}"
        yield "attackers in a round", f"{span} of {len(run.experiment.team)}"
    if attacks and isinstance(boost := attacks[-1].log.get("boost"), int | float):  # an attack may log anything
        yield "boosting factor λ", f"{boost:.4g}"
    estimate_names = ("estimate_error", "estimate_cosine")
    logged = [[attack.log.get(name) for name in estimate_names] for attack in attacks]
    estimates = [[float(value) for value in pair if value is not None] for pair in logged if None not in pair]
    if estimates:
        error, cosine = (mean(values) for values in zip(*estimates, strict=True))
        yield "estimate of the others: relative error, cosine", f"{error:.2f}, {cosine:.2f}"
    if run.summary and (malicious := run.summary.malicious_accuracy):
        yield f"malicious model's accuracy, first {which}", percent(malicious.first)
        yield f"malicious model's accuracy, last {which}", percent(malicious.last)
    window = run.summary.window if run.summary else None
    if run.regression and window is not None:
        inside = [record for record in run.records if window.first <= record.round <= window.last]
        if models := [model for record in inside if record.attackers and (model := record.malicious_model)]:
            yield f"malicious model's MAE, first {which}", quality_words(models[0])
            yield f"malicious model's MAE, last {which}", quality_words(models[-1])


def _share(accuracy: float | None) -> str:
    return "–" if accuracy is None else percent(accuracy)


def _accident_lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield what was not finite, a name and a value each."""
    if bad := summary.malformed:
        who = f"client{'s' * (len(bad.clients) != 1)} {', '.join(map(str, bad.clients))}"
        yield "malformed updates, rejected", f"{bad.updates} in {bad.rounds} rounds, of {who}"
    if (round_ := summary.destroyed) is not None:
        yield "model destroyed", f"in round {round_}"


def _defence_lines(summary: Summary, *, averages: bool, several: bool) -> Iterator[tuple[str, str]]:
    """Yield what the rule made of the malicious client, and how often a check kept it out, a name and a value each."""
    if defence := summary.defence:
        rounds = defence.rounds
        if defence.chosen is not None:
            yield f"{'a ' * several}malicious update chosen alone", f"in {defence.chosen} of {rounds} rounds"
        elif defence.effective_weight is not None and not averages:
            whose = "malicious updates' mean share together" if several else "malicious update's mean share"
            yield whose, f"{defence.effective_weight:.3f}"
        if defence.rejected:
            what = "all malicious updates rejected" if several else "malicious update rejected"
            yield what, f"in {defence.rejected} of {rounds} rounds"
        if defence.precision is not None and several:
            ratios = [f"{100 * ratio:.0f} %" for ratio in (defence.precision, defence.recall or 0)]
            yield "rejected updates that were malicious, malicious ones rejected", ", ".join(ratios)
        if defence.skipped:
            yield "global model left as it was", f"in {defence.skipped} rounds"


def checks_table(run: Run) -> PlainTable | None:
    """Tabulate how good each check was, a line each; return ``None`` without checks."""
    assert run.summary is not None, "the run has not been finished"
    if not run.summary.checks:
        return None
    table = PlainTable("check")
    for name in ("malicious flagged", "honest flagged", "ROC AUC"):
        table.add_column(name, justify="right")
    for name, done in run.summary.checks.items():
        table.add_row(name, *detection_words(done))
    return table


def rounds_table(run: Run) -> PlainTable:
    """Tabulate the rounds, a line each."""
    control_names = list(run.records[-1].controls)
    words = {"control": "the benign twin", "placebo": in_number("the client absent", run.experiment)}
    twin = f"; in brackets {', then '.join(words[name] for name in control_names)}" if control_names else ""
    answers, meaning = answer_columns(run)
    table = PlainTable()
    measure = measure_name(regression=run.regression)
    table.caption = f"{meaning}malicious: that model's {measure}{twin}"
    for name in ("round", "attack", measure, *answers, "malicious"):
        table.add_column(name, justify="left" if name in {"attack", "predicted"} else "right")
    rejecting = any(record.rejected for record in run.records)
    if rejecting:
        table.add_column("rejected")
    for record in run.records:
        others, model = list(record.controls.values()), record.malicious_model
        table.add_row(
            str(record.round),
            _part(record),
            quality_words(record.quality) + in_brackets(quality_words(other.quality) for other in others),
            *answer_cells(run, record),
            quality_words(model) if model else "–",
            *([_rejected(record)] if rejecting else []),
        )
    return table


def _part(record: RoundRecord) -> str:
    """Say what the malicious clients did in the round; of several, how many attacked."""
    attacks = [client.attack for client in record.malicious_clients if client.attack]
    if not attacks:
        return "–"
    if not record.attackers:
        return str(attacks[0].reason)
    return "yes" if len(attacks) == 1 else f"{len(record.attackers)} clients"


def _rejected(record: RoundRecord) -> str:
    """Say which clients the checks rejected, and whether the rule had enough of the others."""
    names = [
        f"{client.client} ({client.fault.partition(',')[0]})" if client.malformed else str(client.client)
        for client in record.clients
        if client.rejected
    ]
    return ", ".join(names) + (" (too few left)" if record.skipped else "")
