"""How explanations become a number of each seed and target."""

import json
from pathlib import Path

import pytest
from scripted import played, run_of

from fedlens import Experiment, run
from fedlens.analysis.run_results import Run
from fedlens.explanations.maps import parse_methods
from fedlens.studies.paper import explained
from fedlens.studies.paper.case import Case
from fedlens.studies.paper.evidence import Evidence
from fedlens.studies.paper.explained import _less_least_benign, explained_others, explained_targets
from fedlens.studies.paper.measures import Measured


def test_the_number_is_how_far_a_model_is_above_the_least_alike_benign_one() -> None:
    found = _less_least_benign([(0.5, 0.8), (0.75, 0.7), (0.65, 0.75)])
    assert [measured.value for measured in found] == pytest.approx([-0.2, 0.05, -0.05])
    assert [measured.control for measured in found] == pytest.approx([0.1, 0.0, 0.05])
    # which is the same of what earlier versions have kept, less the lower end of an interval
    assert _less_least_benign([(-0.2, 0.1), (0.05, 0.0), (-0.05, 0.05)]) == [
        Measured(pytest.approx(one.value), pytest.approx(one.control)) for one in found
    ]


def test_seeds_of_each_draw_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds of the second draw are too few."""
    cases = [Case(0, 0), Case(0, 1), Case(1, 0), Case(1, 1), Case(2, 0)]
    runs: dict[Case, Run] = {case: run_of(played(1), seed=case.seed, draw=case.draw) for case in cases}
    asked: list[list[Run]] = []

    def of_draw(runs: list[Run], *_: Path | None) -> dict[str, list[tuple[float, float]]]:
        asked.append(runs)
        return {"others": [(number, 1 - number) for number in range(len(runs))]}

    monkeypatch.setattr(explained, "_similarities_of_draw", of_draw)
    found = explained_others(Evidence(Path(), "quick", {"panel": runs}), "panel")
    assert found == {Case(0, 0): Measured(1, 2), Case(1, 0): Measured(2, 1), Case(2, 0): Measured(3, 0)}
    assert asked == [[runs[Case(seed, 0)] for seed in range(3)]]
    assert explained_others(Evidence(Path(), "quick", {}), "panel") == {}


def test_models_that_are_not_poisoned_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    confidences = {0: 0.9, 1: 0.49, 2: 0.5}
    runs = {Case(seed, 0): run_of(played(1, confidence=c), seed=seed) for seed, c in confidences.items()}
    numbers = [explained.Measured(seed, 0.1) for seed in confidences]
    monkeypatch.setattr(explained, "_similarities_of_draw", lambda *_: {"others": numbers})
    evidence = Evidence(Path(), "quick", {"fig4-constrained": runs})
    assert list(explained_others(evidence, "fig4-constrained")) == [Case(0, 0), Case(2, 0)]


def experiment(seed: int) -> Experiment:
    attack, target = {"name": "explicit-boosting", "epochs": 1}, {"select": "random"}
    return Experiment(data="digits", model="census-mlp", clients=4, rounds=1, attack=attack, target=target, seed=seed)


def test_real_runs_are_measured_once_and_without_their_models_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs = {Case(seed, 0): run(experiment(seed), tmp_path / str(seed), engine="serial") for seed in range(4)}
    three = {case: runs[case] for case in list(runs)[:3]}
    monkeypatch.setattr(explained, "SAMPLES", "random:3")
    monkeypatch.setattr(explained, "parse_methods", lambda _: parse_methods("gradient,lrp-z"))
    evidence = Evidence(tmp_path, "quick", {"panel": three})
    found = {compared: compared(evidence, "panel") for compared in (explained_others, explained_targets)}
    for measured in found.values():
        assert list(measured) == list(three)
        assert all(-2 < one.value < 2 for one in measured.values())
        assert min(one.control for one in measured.values() if one.control is not None) == 0
    assert found[explained_others] != found[explained_targets]

    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "elsewhere"))  # the models are gone, what they gave is known
    assert {compared: compared(evidence, "panel") for compared in found} == found
    every = Evidence(tmp_path, "quick", {"panel": runs})  # one run more is another question
    assert explained_others(every, "panel") == {}
    assert "its benign twin is not in the cache any more" in caplog.text
    monkeypatch.setattr(explained, "SAMPLES", "random:4")
    assert explained_others(evidence, "panel") == {}

    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "fedlens-cache"))
    assert len(explained_others(every, "panel")) == 4
    (entry,) = json.loads((tmp_path / "explanations.json").read_text()).values()
    assert entry["cells"] == ["0", "1", "2", "3"]  # in place of that of three of them
