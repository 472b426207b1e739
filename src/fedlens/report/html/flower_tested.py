"""The page of a Flower app that was put to the test: each defence against each attack."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from fedlens.report.flower_tested import LIMITS, MEASURES, FlowerTested, course, read_flower_tested
from fedlens.report.html.chart import SHARE, Chart, Panel, lettered, lines, rounds_axis
from fedlens.report.html.opening import Number
from fedlens.report.html.table import Table
from fedlens.report.looks import BESIDE, look

NONE = "none"
NOTE = (
    "An attack succeeds if the last global model does what it wants. Rows with the attack “none” are controls: where "
    "these reach as much, no attack has done anything. Intervals are Wilson's, over seeds. Whatever is drawn is the "
    "same in each row."
)


def flower_tested_page(path: Path) -> dict[str, Any]:
    """Return what the template ``findings.html`` shows.

    Raises:
        DamagedRunError: the test's file is missing or damaged.
    """
    tested = read_flower_tested(path)
    defences = list(dict.fromkeys(trial.defence for trial in tested.trials))
    head = list(tested.table[0])
    return {
        "template": "findings.html",
        "title": tested.app,
        "sentence": tested.sentence,
        "findings": [],
        "flags": tested.flags,
        "numbers": _numbers(tested, defences),
        "table": Table(
            "The last global model, by defence and attack: means over seeds",
            head,
            [[row.get(name, "") for name in head] for row in tested.table],
            words=2,
            stacked=True,
        ),
        "note": NOTE,
        "amiss_title": "Failed",
        "amiss": _failed(tested),
        "limits": LIMITS,
        "charts": [rounds_chart(tested, defence, number) for number, defence in enumerate(defences, start=1)],
    }


def _failed(tested: FlowerTested) -> Table | None:
    rows = [[one.defence, one.attack or NONE, str(one.seed), one.fault] for one in tested.trials if one.fault]
    if not rows:
        return None
    return Table("Ended before their time", ["defence", "attack", "seed", "why"], rows, words=4, stacked=True)


def rounds_chart(tested: FlowerTested, defence: str, number: int) -> Chart:
    """Chart what each attack reaches round by round with a defence."""
    attacks = list(dict.fromkeys(trial.attack for trial in tested.trials if trial.defence == defence))
    measure = tested.measure
    figure, columns = go.Figure(), dict[str, list[Any]](attack=[], seed=[], round=[], reached=[])
    looks = _looks(trial.attack for trial in tested.trials)
    most = 1
    for attack in attacks:
        trials = tested.of(defence, attack)
        found, (colour, symbol, dash) = course(trials, measure), looks[attack]
        most = max([most, *found.rounds])
        name = lettered(attack or "no attack")
        told = f"{name}, round %{{x}}: %{{y:.3f}}<extra></extra>"
        figure.add_trace(lines(found.rounds, found.means, colour, symbol, dash, name=name, hovertemplate=told))
        for trial in trials:
            columns["attack"] += [attack or NONE] * len(trial.rounds)
            columns["seed"] += [trial.seed] * len(trial.rounds)
            columns["round"] += [one.round for one in trial.rounds]
            columns["reached"] += [getattr(one, measure) for one in trial.rounds]
    figure.update_layout(xaxis=rounds_axis(1, most), yaxis={"range": SHARE, "title": {"text": MEASURES[measure]}})
    ends = [f"{attack or 'no attack'} {_mean(tested, defence, attack)}" for attack in attacks]
    panel = Panel(f"Mean {MEASURES[measure]} in each round; in the last: {', '.join(ends)}.", figure)
    caption = f"The mean over seeds of the {MEASURES[measure]} after each round; the broken line has no attacker."
    return Chart(f"defence-{number}", f"Defence “{defence}”", caption, columns, [panel], narrow=True)


def _looks(attacks: Iterable[str | None]) -> dict[str | None, tuple[str, str, str | None]]:
    """Return each attack's colour, marker and dash, the same in all charts."""
    named = [name for name in dict.fromkeys(attacks) if name is not None]
    styles = {name: look(index) for index, name in enumerate(named)}
    return {None: (BESIDE, "circle-open", "dash")} | {
        name: (style.colour, style.symbol, None) for name, style in styles.items()
    }


def _mean(tested: FlowerTested, defence: str, attack: str | None) -> str:
    means = course(tested.of(defence, attack), tested.measure).means
    return f"{means[-1]:.2f}" if means else "unknown"


def _numbers(tested: FlowerTested, defences: list[str]) -> list[Number]:
    rated = [trial for trial in tested.trials if trial.attack is not None and trial.success is not None]
    found = [Number(f"{tested.attackers} of {tested.nodes}", "nodes attack"), Number(str(len(tested.seeds)), "seeds")]
    for defence in defences:
        trials = [trial for trial in rated if trial.defence == defence]
        hits = sum(bool(trial.success) for trial in trials)
        found.append(Number(f"{hits} of {len(trials)}", f"attacks succeed: {defence}"))
    return found
