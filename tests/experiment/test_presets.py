import pytest

from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.honest import Honest
from fedlens.experiment.presets import merged, order, presets
from fedlens.models.cnn import PaperCnn
from fedlens.models.mlp import CensusMlp
from fedlens.runs.loading import load_experiment

FIGURES = [name for name, preset in presets().items() if preset.claims]


def test_merging_by_hand() -> None:
    values = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}}
    changes = {"a": {"x": 0}, "b": {"d": {"h": 5}}, "f": 6}
    assert merged(values, changes) == {"a": {"x": 0}, "b": {"c": 2, "d": {"e": 3, "h": 5}}, "f": 6}
    assert values == {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": {"g": 4}}


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_an_experiment_of_its_name(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.name == name
    assert experiment.about


def test_there_is_a_panel_for_each_figure_and_claim() -> None:
    figures = {name.partition("-")[0] for name in FIGURES}
    others = {"appendix", "benign", "median", "data", "stealth", "honest", "poisoning"}
    assert figures == {f"fig{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10)} | others
    claims = {number for name in FIGURES for number in presets()[name].claims}
    assert claims == {f"C{number}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19)}


@pytest.mark.parametrize("name", [name for name in FIGURES if name.endswith(("-paper", "-paper-10"))])
def test_the_papers_scale_is_the_papers(name: str) -> None:
    experiment = load_experiment(name)
    assert (experiment.local.epochs, experiment.local.optimizer, experiment.local.learning_rate) == (5, "adam", 1e-3)
    fashion = isinstance(experiment.model, PaperCnn)
    assert fashion or isinstance(experiment.model, CensusMlp)
    assert experiment.local.batch_size == (100 if fashion else 50)
    assert (experiment.clients, experiment.cohort_size) in {(10, 10), (100, 10)}
    if name.endswith("-10"):
        assert fashion
        assert (experiment.clients, experiment.rounds) == (10, 10)
    else:
        assert experiment.rounds == {10: 40, 100: 50}[experiment.clients]


def test_ten_rounds_of_the_papers_scale_differ_from_it_in_these_alone() -> None:
    for name, preset in presets().items():
        if name.endswith("-paper-10"):
            full = load_experiment(preset.scales["paper"])
            ten = load_experiment(name)
            assert ten.model_copy(update={"rounds": 40, "checks": full.checks}).identity() == full.identity()


@pytest.mark.parametrize("name", [name for name in FIGURES if "-paper" not in name])
def test_the_quick_scale_is_quick_and_names_the_others(name: str) -> None:
    preset = presets()[name]
    assert preset.minutes is not None
    assert preset.minutes <= 6
    assert preset.scales["quick"] == name
    assert preset.scales["paper"] == f"{name}-paper"
    assert all(presets()[other].scales == preset.scales for other in preset.scales.values())


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_what_they_are_drawn_from(name: str) -> None:
    """The accuracy check sets samples apart: at paper-10 in all runs, else to judge stealth."""
    experiment = load_experiment(name)
    all_three = "stealth" in name or name.endswith("-paper-10")
    assert experiment.detectors.keys() == {"statistics", "distances"} | ({"accuracy"} if all_three else set())


def test_what_a_scale_puts_first_is_there_and_begins_with_the_twin() -> None:
    assert all("paper-10" in presets()[name].scales for name in order("paper-10"))
    assert load_experiment(presets()[order("paper-10")[0]].scales["paper-10"]).attack is None
    assert order("quick") == ()


@pytest.mark.parametrize("name", [name for name in FIGURES if presets()[name].negative])
def test_a_negative_control_differs_in_its_attack_alone(name: str) -> None:
    panel, kind = presets()[name].negative or ("", "")
    control, attacked = load_experiment(name), load_experiment(panel + name.removeprefix(f"{kind}-{panel}"))
    assert attacked.attack is not None
    assert isinstance(control.attack, {"honest": Honest, "poisoning": DataPoisoning}[kind])
    assert control.model_copy(update={"attack": attacked.attack}).identity() == attacked.identity()


def test_a_panel_that_shows_anothers_runs_differs_in_name_alone() -> None:
    assert load_experiment("fig3-explicit").identity() == load_experiment("fig1-explicit").identity()
    assert load_experiment("fig9-constrained-paper").identity() == load_experiment("fig4-constrained-paper").identity()


def test_the_published_command_of_figure_4() -> None:
    experiment = load_experiment("fig4-constrained-paper")
    assert experiment.describe()["attack"] == {
        "name": "alternating-minimisation",
        "client": None,
        "delay": 0,
        "until": None,
        "hold_off": None,
        "boost": "auto",
        "estimate": None,
        "claim": 1.0,
        "objective": "targeted",
        "epochs": 10,
        "order": "benign-first",
        "ls": 10,
        "malicious_steps": 1,
        "malicious_learning_rate": None,
        "malicious_dropout": True,
        "constraint": {"reference": "self", "norm": "l2", "rho": 1e-4},
        "weights_only": True,
        "evaluate_at": "local",
        "confidence": 0.9,
    }


def test_old_experiments_keep_their_identity() -> None:
    """The committed records are found by these."""
    known = {
        "fig1-explicit": "5dc4e524f70ff6ed492ad2fae526ca52",
        "fig4-constrained": "7d0cdd36f893d5a042292519442495f7",
        "fig7-alternating": "6919912fe781dd562b5963049079410f",
        "fig10-explicit": "c6a7d7b315aea078972f995c35a890d3",
    }
    assert {name: load_experiment(name).identity() for name in known} == known
