"""A run as tables for the terminal."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from rich import box
from rich.table import Table

from fedlens.report.words import attack_name, percent, signed, span_words
from fedlens.runs.load import Run
from fedlens.runs.records import acted, confidence, malformed, mean
from fedlens.runs.window import FADED


def summary_table(run: Run) -> Table:
    """The run beside its control, a line a figure."""
    assert run.summary is not None, "the run has not been finished"
    control = run.summary["control"]
    table = Table(title=f"{run.path}, after {run.summary['rounds']} rounds", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    if control:
        table.add_column("without attack", justify="right")
    table.add_column(attack_name(run.experiment) if run.experiment.attack else "without attack", justify="right")
    for name, ours, beside in summary_lines(run):
        table.add_row(name, *([beside] if control else []), ours)
    return table


def summary_lines(run: Run) -> Iterator[tuple[str, str, str]]:
    """Name, value and the control's value of each line."""
    assert run.summary is not None, "the run has not been finished"
    summary, control = run.summary, run.summary["control"] or {}
    classes, wanted = run.target["classes"], run.target["target"]
    targets = (summary["target"], control.get("target"))

    def both(show: Callable[[dict[str, Any]], str]) -> tuple[str, str]:
        """What `show` makes of the run's target and of the control's."""
        ours, beside = (show(target) if target else "" for target in targets)
        return ours, beside

    def accuracies(name: str) -> tuple[str, str]:
        return percent(summary[name]), percent(control[name]) if control else ""

    yield "test accuracy", *accuracies("accuracy")
    if hit := summary["hardest_hit"]:
        yield f"… most lost in class {hit['class']}", f"{signed(hit['points'])} points", ""
    window = summary["window"] or {"first": 1, "last": summary["rounds"]}
    played = window["last"] - window["first"] + 1
    whole = played == summary["rounds"]
    rounds, at_end = ("rounds", "") if whole else (span_words(window), f", round {window['last']}")
    if window["last"] < summary["rounds"]:
        yield f"test accuracy{at_end}", *accuracies("window_accuracy")
    as_class = f" ({classes[wanted[0]]})" if len(wanted) == 1 else f" (mean of {len(wanted)})"
    yield f"confidence in target class{as_class}{at_end}", *both(lambda target: f"{target['confidence']['last']:.3f}")
    yield f"… best of {rounds}", *both(lambda target: f"{target['confidence']['best']:.3f}")
    yield f"… mean over {rounds}", *both(lambda target: f"{target['confidence']['mean']:.3f}")
    if parts := summary["participation"]:
        yield "… after rounds with the malicious client", f"{parts['with']:.3f}", ""
        yield "… after rounds without it", f"{parts['without']:.3f}", ""
    true_class = f" ({classes[run.target['true'][0]]})" if len(wanted) == 1 else ""
    yield f"confidence in true class{true_class}{at_end}", *both(lambda target: f"{target['true_confidence']:.3f}")
    if len(wanted) == 1:
        yield f"predicted class{at_end}", *both(lambda target: str(classes[target["predicted"][0]]))
    yield f"{rounds} in which every target is met", *both(lambda target: f"{target['successful_rounds']} of {played}")
    yield from _afterwards(summary, control)
    yield from ((name, value, "") for name, value in _attack_lines(run))
    if malicious := summary["malicious_accuracy"]:
        which = "round" if whole else f"of {rounds}"
        yield f"malicious model's accuracy, first {which}", percent(malicious["first"]), ""
        yield f"malicious model's accuracy, last {which}", percent(malicious["last"]), ""
    found = chain(_accident_lines(summary), _defence_lines(summary, run.experiment.aggregation.averages))
    yield from ((name, value, "") for name, value in found)
    if stop := summary["paper_stop"]:
        stops = (part.get("would_stop_at") for part in (summary, control))
        ours, beside = (f"in round {when}" if when else "never" for when in stops)
        yield f"the paper would stop at {percent(stop)}", ours, beside


def _afterwards(summary: dict[str, Any], control: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What is left of the backdoor after the attack's window: name, value and the control's value of each line."""
    ours, beside = summary["lifespan"], control.get("lifespan")
    if ours is None:
        return

    def both(show: Callable[[dict[str, Any]], str]) -> tuple[str, str]:
        return show(ours), show(beside) if beside else ""

    final, twin = (f"{part['target']['final_confidence']:.3f}" if part else "" for part in (summary, control))
    yield f"confidence after the attack, round {summary['rounds']}", final, twin
    until_faded = both(lambda life: f"more than {life['observed']}" if life["censored"] else str(life["rounds"]))
    yield f"… rounds until it is below {FADED:g}", *until_faded
    yield "… area under it, in rounds", *both(lambda life: f"{life['area']:.2f} of {life['observed']}")


def _attack_lines(run: Run) -> Iterator[tuple[str, str]]:
    """What the attack said of itself, a name and a value each."""
    attacks = [record["attack"] for record in run.records if acted(record)]
    if attacks:
        yield "α_m (assumed to be announced)", f"{attacks[-1]['alpha']:.4g}"
    if attacks and isinstance(boost := attacks[-1].get("boost"), int | float):  # an attack may log anything
        yield "boosting factor λ", f"{boost:.4g}"
    known = ("estimate_error", "estimate_cosine")
    estimates = [attack for attack in attacks if all(attack.get(name) is not None for name in known)]
    if estimates:
        error, cosine = (mean([attack[name] for attack in estimates]) for name in known)
        yield "estimate of the others: relative error, cosine", f"{error:.2f}, {cosine:.2f}"


def _accident_lines(summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was not finite, a name and a value each."""
    if bad := summary.get("malformed"):
        who = f"client{'s' * (len(bad['clients']) != 1)} {', '.join(map(str, bad['clients']))}"
        yield "updates that were not finite, rejected", f"{bad['updates']} in {bad['rounds']} rounds, of {who}"
    if (round_ := summary.get("destroyed")) is not None:
        yield "model destroyed", f"in round {round_}"


def _defence_lines(summary: dict[str, Any], averages: bool) -> Iterator[tuple[str, str]]:
    """What the rule and the checks made of the malicious client, a name and a value each."""
    if defence := summary["defence"]:
        rounds = defence["rounds"]
        if defence["chosen"] is not None:
            yield "malicious update chosen alone", f"in {defence['chosen']} of {rounds} rounds"
        elif defence["share"] is not None and not averages:
            yield "malicious update's mean share", f"{defence['share']:.3f}"
        if defence["rejected"]:
            yield "malicious update rejected", f"in {defence['rejected']} of {rounds} rounds"
        if defence["skipped"]:
            yield "global model left as it was", f"in {defence['skipped']} rounds"
    for name, done in summary["checks"].items():
        caught = f"caught {done['caught']} of {done['guilty']}" if done["guilty"] else "nobody to catch"
        area = f", ROC AUC {done['roc_auc']:.2f}" if done["roc_auc"] is not None else ""
        yield f"check {name}", f"{caught}, {done['false_alarms']} of {done['innocent']} falsely{area}"


def rounds_table(run: Run) -> Table:
    """A line a round."""
    classes, single = run.target["classes"], len(run.target["index"]) == 1
    twin = "; in brackets the benign twin" if run.records[-1]["control"] else ""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), caption_justify="left")
    table.caption = f"target, true: confidence in these classes; malicious: that model's accuracy{twin}"
    for name in ("round", "attack", "accuracy", "target", "true", "predicted" if single else "met", "malicious"):
        table.add_column(name, justify="left" if name in {"attack", "predicted"} else "right")
    rejecting = any(record["rejected"] for record in run.records)
    if rejecting:
        table.add_column("rejected")
    for record in run.records:
        target, beside = record["target"], record["control"]
        table.add_row(
            str(record["round"]),
            _part(record),
            percent(record["quality"]["accuracy"]) + (f" ({percent(beside['quality']['accuracy'])})" if beside else ""),
            f"{confidence(target):.3f}" + (f" ({confidence(beside['target']):.3f})" if beside else ""),
            f"{confidence(target, 'true_confidence'):.3f}",
            classes[target["predicted"][0]] if single else f"{target['met']} of {len(target['predicted'])}",
            percent(record["malicious"]["accuracy"]) if record["malicious"] else "–",
            *([_rejected(record)] if rejecting else []),
        )
    return table


def _part(record: dict[str, Any]) -> str:
    """What the malicious client did in the round."""
    if not record["attacker"]:
        return "–"
    return "yes" if record["attack"]["acted"] else str(record["attack"]["reason"])


def _rejected(record: dict[str, Any]) -> str:
    """Which clients the checks rejected, and whether the rule had enough of the others."""
    bad = malformed(record)
    names = [f"{client} (not finite)" if client in bad else str(client) for client in record["rejected"]]
    return ", ".join(names) + (" (too few left)" if record["skipped"] else "")
