"""The whole way, from presets that take a second to the page."""

import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tinypanels import PANELS, run

from fedlens.analysis.collect import collect
from fedlens.analysis.comparison import compare
from fedlens.core.errors import ConfigError
from fedlens.experiment.presets import order
from fedlens.experiment.presets import presets as real_presets
from fedlens.runs import loading
from fedlens.studies.paper import plan as planning
from fedlens.studies.paper.evidence import Case, gather
from fedlens.studies.paper.judging import judge
from fedlens.studies.paper.plan import cost, negatives, panels, plan
from fedlens.studies.paper.reproduction import publish


def test_which_panels() -> None:
    known = {name: preset for name, preset in real_presets().items() if name == preset.scales.get("quick")}
    assert panels() == [name for name, preset in known.items() if preset.negative is None]
    assert panels(["negative"]) == [name for name, preset in known.items() if preset.negative is not None]
    assert panels(["honest-fig1-explicit"]) == ["honest-fig1-explicit"]
    assert panels(["fig8"]) == ["fig8-explicit", "fig8-alternating"]
    assert panels(["fig4-alternating", "C11"]) == ["fig4-alternating", "fig8-explicit", "fig8-alternating"]
    assert panels(["fig5"]) == panels(["C9"])
    assert {"fig1-explicit", "fig4-alternating"} <= set(panels(["C9"]))
    assert panels(["C16"]) == ["fig1-simultaneous", "fig7-simultaneous"]
    assert set(panels(["C18"])) == {name for name in known if name.startswith("stealth-")}
    assert panels(["fig3"], "paper-10") == panels(["fig3"])  # not of C18, which is about sections 3.3 to 3.6
    with pytest.raises(ConfigError, match=r"C10: nothing of it is run at scale paper-10; try --scale quick"):
        panels(["C10"], "paper-10")
    with pytest.raises(ConfigError, match=r"no figure, panel or claim 'fig77'; did you mean fig7\?"):
        panels(["fig77"])


def test_a_plan_goes_through_all_panels_before_the_next_seed_the_dearest_first() -> None:
    cells = plan(["fig7-explicit", "fig7-alternating"], "quick", seeds=range(2), targets=range(2))
    assert [tuple(cell.values.values()) for cell in cells[:4]] == [
        ("fig7-alternating", 0, 0),
        ("fig7-explicit", 0, 0),
        ("fig7-alternating", 1, 0),
        ("fig7-explicit", 1, 0),
    ]
    assert len({cell.key for cell in cells}) == 8
    assert all(cell.experiment is not None and cell.experiment.rounds == 20 for cell in cells)
    assert plan(["fig7-explicit"], "paper", [0], [0])[0].key != cells[0].key


def test_a_plan_begins_with_the_run_without_attack_which_a_seed_has_once() -> None:
    cells = plan(["fig7-alternating", "benign-census"], "quick", seeds=range(2), targets=range(2))
    assert [tuple(cell.values.values()) for cell in cells] == [
        ("benign-census", 0, 0),
        ("fig7-alternating", 0, 0),
        ("benign-census", 1, 0),
        ("fig7-alternating", 1, 0),
        ("fig7-alternating", 0, 1),
        ("fig7-alternating", 1, 1),
    ]


def test_a_scale_with_an_order_of_its_own() -> None:
    names = panels((), "paper-10")
    cells = plan(names, "paper-10", [0], [0])
    first = order("paper-10")
    assert [cell.values["name"] for cell in cells[: len(first)]] == list(first)
    assert {cell.values["name"] for cell in cells} == set(names)
    assert plan(names, "paper-10", [1], [0])[0].values == {"name": "benign-fashion", "seed": 1, "target.draw": 0}


def test_which_negative_controls_stand_for_a_panel() -> None:
    found = negatives("quick")
    assert found["fig4-alternating"] == {"honest": "honest-fig1-explicit", "poisoning": "poisoning-fig1-explicit"}
    assert found["fig10-alternating-authors"]["honest"] == "honest-fig10-explicit-authors"
    attacked = {name for name in panels() if real_presets()[name].values["attack"] != "none"}
    assert found.keys() == attacked  # none is without
    assert all(one.keys() == {"honest", "poisoning"} for one in found.values())
    assert set(negatives("paper")) == attacked


def test_what_is_alike_is_paid_for_once(tiny_panels: None) -> None:
    assert cost(plan(PANELS, "quick", range(2), range(3)), "quick") == 12
    assert cost(plan(PANELS, "paper", [0], [0]), "paper") == 120
    assert cost([], "quick") == 0


def test_from_runs_to_the_page(tiny_panels: None, tmp_path: Path) -> None:
    names = panels()
    assert run(tmp_path, names, 1, 1).failures == []
    assert run(tmp_path, names[:2], 2, 2).failures == []
    evidence = gather(tmp_path, "quick")
    every = {Case(seed, draw) for seed in (0, 1) for draw in (0, 1)}
    assert {name: set(runs) for name, runs in evidence.runs.items()} == {
        "fig7-explicit": every,
        "fig9-explicit": every,
        "fig7-alternating": {Case(0, 0)},
    }
    assert len(evidence.all_runs) == 5
    assert gather(tmp_path, "paper").all_runs == []

    table, page, _ = publish(tmp_path, "quick")
    written = json.loads((tmp_path / "claims.json").read_text())
    assert (written["runs"], written["rounds"]) == (5, 10)
    ten = next(claim for claim in written["claims"] if claim["claim"] == "C10")
    expected = next(judgement for judgement in judge(evidence) if judgement.number == "C10")
    assert ten["verdict"] == expected.verdict
    assert ten["parts"][0]["median"] == expected.findings[0].median
    assert [value["seed"] for value in ten["parts"][0]["values"]] == [0, 0, 1, 1]
    assert ten["parts"][1]["interval"] is None
    text = page.read_text()
    assert "![figures/fig7-intervals.png](figures/fig7-intervals.png)" in text
    assert all((tmp_path / file).exists() for file in re.findall(r"!\[.*?\]\((.*?)\)", text))
    compared = compare(collect([tmp_path]), ["name"])
    assert {group.label: group.runs for group in compared.groups} == {name: len(evidence.runs[name]) for name in PANELS}
    assert f"| [C10](#c10) | 7 | {expected.claim.claim} | **{expected.verdict}** |" in text
    assert "At which scale" not in text
    assert "2 × 2" in text
    assert "**Red flag:** one seed: C16" not in text
    console = Console(width=150, file=StringIO())
    with console.capture() as printed:
        console.print(table)
    assert expected.verdict in next(line for line in printed.get().splitlines() if "C10" in line)


def test_red_flags(tiny_panels: None, tmp_path: Path) -> None:
    run(tmp_path, ["fig7-explicit"], 1, 1)
    _, page, _ = publish(tmp_path, "quick")
    assert "**Red flag:** one seed: C10; more with --seeds." in page.read_text()
    assert "**Red flag:** one target a seed: C10; more with --targets." in page.read_text()


def test_a_damaged_run_is_left_out_and_said_to_be(tiny_panels: None, tmp_path: Path) -> None:
    run(tmp_path, ["fig7-explicit"], 2, 1)
    (broken, _) = sorted((tmp_path / "cells").iterdir())
    (broken / "rounds.jsonl").write_text("{\n")
    evidence = gather(tmp_path, "quick")
    assert len(evidence.all_runs) == 1
    assert str(broken) in evidence.unreadable[0]
    _, page, left_out = publish(tmp_path, "quick")
    assert f"Left out: {broken}" in page.read_text()
    assert f"remove {broken}, and the same command makes it anew" in left_out[0]


def test_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run is complete there"):
        publish(tmp_path, "quick")


def test_other_values_are_another_experiment(
    tiny_panels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, ["fig7-explicit"], 1, 1)
    changed = {
        name: replace(preset, values={**preset.values, "rounds": 7}) for name, preset in planning.presets().items()
    }
    monkeypatch.setattr(loading, "presets", lambda: changed)
    assert gather(tmp_path, "quick").all_runs == []
