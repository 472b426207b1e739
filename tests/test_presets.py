import pytest

from fedlens.loading import load_experiment
from fedlens.models.cnn import PaperCnn
from fedlens.models.mlp import CensusMlp
from fedlens.presets import merged, presets

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
    assert figures == {f"fig{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10)} | {"appendix", "median", "data"}
    claims = {number for name in FIGURES for number in presets()[name].claims}
    assert claims == {f"C{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17)}


@pytest.mark.parametrize("name", [name for name in FIGURES if name.endswith("-paper")])
def test_the_papers_scale_is_the_papers(name: str) -> None:
    experiment = load_experiment(name)
    assert (experiment.local.epochs, experiment.local.optimizer, experiment.local.learning_rate) == (5, "adam", 1e-3)
    fashion = isinstance(experiment.model, PaperCnn)
    assert fashion or isinstance(experiment.model, CensusMlp)
    assert experiment.local.batch_size == (100 if fashion else 50)
    assert (experiment.clients, experiment.cohort_size) in {(10, 10), (100, 10)}
    assert experiment.rounds == {10: 40, 100: 50}[experiment.clients]


@pytest.mark.parametrize("name", [name for name in FIGURES if not name.endswith("-paper")])
def test_the_quick_scale_is_quick_and_names_the_full_one(name: str) -> None:
    preset = presets()[name]
    assert preset.minutes is not None
    assert preset.minutes <= 6
    assert preset.full == f"{name}-paper"
    assert preset.full in presets()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_what_they_are_drawn_from(name: str) -> None:
    assert load_experiment(name).detectors.keys() == {"statistics", "distances"}


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
        "objective": "targeted",
        "epochs": 10,
        "order": "benign-first",
        "ls": 10,
        "malicious_steps": 1,
        "constraint": {"reference": "self", "norm": "l2", "rho": 1e-4},
        "weights_only": True,
        "evaluate_at": "local",
        "confidence": 0.9,
    }
