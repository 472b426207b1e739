"""A card for each preset, from ``figures.yaml``, with what came of it, from the ``claims.json`` of a reproduction."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs_markdown import code, fence, folded, table

from fedlens.core.parsing import dump_yaml
from fedlens.experiment.presets import SCALES, Preset, presets
from fedlens.report.catalogue import cost_words
from fedlens.studies.paper.claims import claims, drawings
from fedlens.studies.paper.rows import MARKS, number

REPRODUCTION = "reproduction"
GROUPS = {
    "ICML": ("icml", "Figures of the ICML version"),
    "A": ("appendix", "Appendix"),
    "text": ("text", "The text's numbers"),
}
SIGNS = {"at_least": "≥", "at_most": "≤", "above": ">", "below": "<"}


def card_pages(docs: Path) -> dict[str, list[str]]:
    """Return the lines of the presets' pages by name: one for each figure of the paper, and an index.

    Args:
        docs: the documentation's folder, where results and figures of a reproduction are looked for.
    """
    found = docs / REPRODUCTION / "claims.json"
    results = {one["claim"]: one for one in json.loads(found.read_text("utf-8"))["claims"]} if found.exists() else {}
    groups: dict[str, list[str]] = {}
    for name, preset in presets().items():
        if name == preset.scales.get("quick") and preset.negative is None:
            groups.setdefault(_page(preset)[0], []).append(name)
    pages = {"index": list(_index(groups))}
    for page, names in groups.items():
        title = _page(presets()[names[0]])[1]
        pages[page] = [f"# {title}", "", *(line for name in names for line in _card(name, results))]
        pages[page] += _pictures(docs, names)
    return pages


def _page(preset: Preset) -> tuple[str, str]:
    """Return the name and title of the page that has a preset of the paper's figures."""
    figure = str(claims()[next(iter(preset.claims))].figure)
    return GROUPS.get(figure) or (f"figure-{figure}", f"Figure {figure}")


def _index(groups: Mapping[str, list[str]]) -> Iterator[str]:
    yield "# Presets"
    yield ""
    yield (
        "Presets are experiments that come with the package; run them by name. Those for the paper's figures exist at "
        "several scales: `NAME` takes minutes, `NAME-paper` uses the paper's own model, K, E and T, and "
        "`NAME-paper-10` the same for ten rounds. Costs are for 2 cores, without the benign twin and the placebo, "
        "which are run once for each setting."
    )
    yield ""
    others = {name: preset for name, preset in presets().items() if not preset.claims}
    yield from table(("preset", "what it is"), ([f"`{name}`", one.values["about"]] for name, one in others.items()))
    yield from table(
        ("preset", "what it is", "claims", "cost", *(f"`-{scale}`" for scale in SCALES[1:])),
        (
            [f"[`{name}`]({page}.md#{name})", one.values["about"], _claim_links(one), *_costs(one)]
            for page, names in groups.items()
            for name in names
            for one in [presets()[name]]
        ),
    )


def _claim_links(preset: Preset) -> str:
    return ", ".join(f"[{claim}](../{REPRODUCTION}/README.md#{claim.lower()})" for claim in preset.claims)


def _costs(preset: Preset) -> list[str]:
    """Say what it costs at each scale."""
    names = (preset.scales.get(scale) for scale in SCALES)
    return [cost_words(presets()[name].minutes) if name else "–" for name in names]


def _card(name: str, results: Mapping[str, Any]) -> Iterator[str]:
    """Yield a preset: what it is, what the paper claims of it, what it costs, how to run it, what came of it."""
    preset = presets()[name]
    costs = {scale: cost for scale, cost in zip(SCALES, _costs(preset), strict=True) if scale in preset.scales}
    yield f"## {name} {{ #{name} }}"
    yield ""
    yield f"{preset.values['about']}."
    yield ""
    yield from (f"- Claim {_link(claim)}: {words}" for claim, words in preset.claims.items())
    yield f"- Cost: {', '.join(f'{cost} ({scale})' for scale, cost in costs.items())}"
    yield ""
    yield f"<!-- not run: takes {', '.join(costs.values())} -->"
    yield from fence("sh", "\n".join(f"fedlens run {preset.scales[scale]}" for scale in costs))
    values = {key: value for key, value in preset.values.items() if key not in {"name", "about"}}
    yield from folded("The experiment", fence("yaml", dump_yaml(values, width=80, default_flow_style=None)))
    for claim in preset.claims:
        yield from _result(name, claim, results.get(claim))


def _link(claim: str) -> str:
    return f"[{claim}](../{REPRODUCTION}/README.md#{claim.lower()})"


def _result(name: str, claim: str, result: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what was measured of a claim in this preset's runs."""
    parts = [part for part in result["parts"] if name in part["of"] and part["values"]] if result else []
    if not result or not parts:
        yield f"{_link(claim)}: no result of this preset yet."
        yield ""
        return
    yield f"Result, {_link(claim)} **{result['verdict']}**:"
    yield ""
    yield from table(("number", "paper", "holds if", "ours: median [95 %]", "control", "runs"), map(_part_row, parts))


def _part_row(part: Mapping[str, Any]) -> list[str]:
    bound = " ".join(f"{SIGNS[kind]} {value:g}" for kind, value in part["holds_if"].items()) or "shown only"
    seeds = part["seeds"]
    ours = number(part["median"])
    if part["interval"]:
        ours += " [{}, {}]".format(*map(number, part["interval"]))
    elif seeds > 1:
        ours += ", range {} to {}".format(*map(number, part["range"]))
    ours += MARKS.get(part["outcome"], "")
    runs = f"{len(part['values'])}, of {seeds} seed{'s' * (seeds > 1)}"
    what = part["what"] + (f" ({code(part['of'], ' less ')})" if len(part["of"]) > 1 else "")
    return [what, part["paper"], bound, ours, number(part["control"]), runs]


def _pictures(docs: Path, names: list[str]) -> Iterator[str]:
    """Yield the reproduction's figures that show one of these presets."""
    shown = [name for name, drawing in drawings().items() if name.split("-")[0] == names[0].split("-")[0]]
    files = [f"{REPRODUCTION}/figures/{name}.png" for name in shown]
    present = [file for file in files if (docs / file).exists()]
    if present:
        yield "## Figures"
        yield ""
        yield "Of the first seed and target."
        yield ""
        yield from (line for file in present for line in (f"![{Path(file).stem}](../{file})", ""))
