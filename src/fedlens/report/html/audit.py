"""The page of an audit: its verdict, what that rests on, all that was tried, and the worst federation."""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from fedlens.analysis.flags import ALONE
from fedlens.analysis.run_results import load_run
from fedlens.core.errors import FedlensError
from fedlens.report.audited import AUDITED, LIMITS, Audited, Rows, read_audit
from fedlens.report.html.chart import SHARE, Chart, Panel, lettered, lines
from fedlens.report.html.one import run_page
from fedlens.report.html.opening import Number
from fedlens.report.html.table import Table
from fedlens.report.looks import BESIDE, BLUE, GREEN, MALICIOUS

HALF = 0.5
"""The share of rounds from which on a leak is found."""


def audit_page(path: Path, data_dir: Path | None = None, *, code: bool = False, samples: bool = True) -> dict[str, Any]:
    """Return what the template ``audit.html`` shows.

    Raises:
        DamagedRunError: the audit's file is missing or damaged.
    """
    audited = read_audit(path)
    worst, missing = _worst(audited, data_dir, code=code, samples=samples)
    power, sight = leaks_chart(audited), sight_chart(audited)
    charts = [chart for chart in (power, sight) if chart is not None]
    charts += worst["charts"] if worst else []
    unfit = audited.unfit()
    return {
        "template": "audit.html",
        "title": path.resolve().name,
        "audited": audited,
        "outlook": {"broken": "bad", "holds": "good"}.get(audited.verdict, ""),
        "numbers": _numbers(audited),
        "finalists": _table(audited.finalists(), stacked=True),
        "federations": _table(audited.federations(), path=True),
        "power": power,
        "leaks": _table(audited.leaks(), stacked=True),
        "sight": sight,
        "sights": _table(audited.sight(), stacked=True),
        "tried": _table(audited.tried(), stacked=True),
        "unfit": _table(unfit, stacked=True) if unfit.rows else None,
        "worst": worst,
        "worst_missing": missing,
        "yaml": _text(path / AUDITED),
        "limits": LIMITS,
        "charts": charts,
    }


def leaks_chart(audited: Audited) -> Chart | None:
    """Chart in what share of rounds each planted leak was found."""
    leaks = audited.found["leaks"]
    if not leaks:
        return None
    etas = [one["eta"] for one in leaks]
    shares = [one["found"] / one["rounds"] if one["rounds"] else 0.0 for one in leaks]
    figure = go.Figure(
        lines([100 * eta for eta in etas], shares, BLUE, "circle", hovertemplate="%{x} % let through: %{y:.0%}"),
        go.Layout(
            xaxis={"type": "log", "title": {"text": "share of the mean let through (%)"}, "autorange": "reversed"}
            | {"tickvals": [100 * eta for eta in etas], "ticktext": [f"{100 * eta:g}" for eta in etas]},
            yaxis={"range": SHARE, "tickformat": ".0%", "title": {"text": "rounds in which it is found"}},
        ),
    )
    figure.add_hline(y=HALF, line={"color": BESIDE, "dash": "dot"})
    found = [one["eta"] for one in leaks if one["broken"]]
    says = (
        f"The smallest leak found lets {100 * min(found):g} % of the mean through." if found else "No leak was found."
    )
    return Chart(
        "leaks",
        "Would it have found a weakness?",
        f"{says} For each planted leak, the share of single rounds in which an attack succeeded; from half of them on "
        "(dotted) the leak is found. Leaks are planted from the largest on, until one is not found.",
        {
            "share_let_through": etas,
            "rounds": [one["rounds"] for one in leaks],
            "found": [one["found"] for one in leaks],
        },
        [Panel(says, figure)],
        narrow=True,
    )


def sight_chart(audited: Audited) -> Chart | None:
    """Chart what the adaptive attack reaches in single rounds, beside the same that sees all updates, and absence."""
    adaptive, omniscient = audited.found["adaptive"], audited.found["omniscient"]
    if not adaptive or not omniscient:
        return None
    where = {(one["seed"], one["round"]): None for one in [*adaptive, *omniscient]}
    seeds = list(dict.fromkeys(seed for seed, _ in where))
    names = {pair: f"{seeds.index(pair[0]) + 1}, {pair[1]}" for pair in where}
    sides = [
        ("sees its own updates", adaptive, "attacked", BLUE, "circle"),
        ("sees all updates", omniscient, "attacked", MALICIOUS, "square"),
        ("absent (placebo)", adaptive, "absent", GREEN, "diamond"),
    ]
    figure, columns = go.Figure(), dict[str, list[Any]](attacker=[], seed=[], round=[], reached=[])
    for name, rounds, side, colour, symbol in sides:
        seen = [one for one in rounds if one[side] is not None]
        places, values = [names[one["seed"], one["round"]] for one in seen], [one[side]["value"] for one in seen]
        trace = {"marker": {"color": colour, "symbol": symbol, "size": 9}, "mode": "markers"}
        figure.add_scatter(x=places, y=values, name=lettered(name), hovertemplate="%{y:.3f}", **trace)
        columns["attacker"] += [name] * len(seen)
        columns["seed"] += [one["seed"] for one in seen]
        columns["round"] += [one["round"] for one in seen]
        columns["reached"] += values
    axis = {"type": "category", "title": {"text": "seed of the search, round"}}
    unit = " (SD of the labels)" if audited.found["subject"]["regression"] else ""
    reached = {"title": {"text": f"{audited.reached}{unit}"}} | ({"range": SHARE} if audited.asks else {})
    figure.update_layout(xaxis=axis, yaxis=reached)
    return Chart(
        "sight",
        "Found, and what could be found by whoever sees everything",
        "The best adaptive attack in single rounds, beside the same attack with sight of all updates, and beside the "
        "attackers’ absence. Where seeing everything helps much, the server holds by what attackers do not know.",
        columns,
        [Panel("What each attacker reaches in each single round.", figure)],
        narrow=True,
    )


def _worst(audited: Audited, data_dir: Path | None, *, code: bool, samples: bool) -> tuple[dict[str, Any] | None, str]:
    """Return what the page of the worst federation has, or why there is none."""
    if audited.worst is None:
        return None, "No federation of the verdict could be judged."
    try:
        run = load_run(audited.worst)
        page = run_page(run.with_code(trust=True) if code else run, data_dir, samples=samples)
        return page | {"flags": [flag for flag in page["flags"] if not flag.startswith(ALONE)]}, ""  # one of many seeds
    except FedlensError as error:
        return None, f"Its run cannot be shown: {error}."


def _numbers(audited: Audited) -> list[Number]:
    judgement = audited.found["judgement"]
    finalists = judgement["finalists"]
    best = max(finalists, key=lambda one: (one["broken"], one["low"], one["successes"]), default=None)
    leaks = [one["eta"] for one in audited.found["leaks"] if one["broken"]]
    numbers = [] if best is None else [
        Number(f"{best['successes']} of {best['cells']}", "successes of the best attack"),
        Number(f"{best['placebos']} of {best['cells']}", "the attackers absent (placebo)"),
        Number(f"{100 * judgement['upper']:.0f} %", "the rate of success is at most"),
    ]  # fmt: skip
    numbers.append(Number(f"{100 * min(leaks):g} %" if leaks else "none", "smallest planted leak found"))
    return [*numbers, Number(str(len(audited.found["tried"])), "attacks tried")]


def _table(rows: Rows, *, stacked: bool = False, path: bool = False) -> Table:
    return Table(rows.caption, rows.head, rows.rows, words=rows.words, stacked=stacked, path=path)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
