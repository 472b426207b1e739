"""``fedlens list``: an index, topics, single components and presets, search."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.calling import called
from small import small

import fedlens
from fedlens.analysis.metric_names import METRICS
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.registry import BUILT_IN, known, resolve
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import presets
from fedlens.report.catalogue import RULE_STAGES, TOPICS, entries, names, what_it_is

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def listed(capsys: Capture, *words: str) -> str:
    code, out, err = called(capsys, "list", *words)
    assert (code, err) == (0, "")
    assert "``" not in out
    return out


def test_the_index_fits_on_a_screen(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = listed(capsys)
    assert len(out.splitlines()) <= 36
    for topic in TOPICS:
        assert re.search(rf"^ +{topic.name} ", out, re.MULTILINE)
    assert re.search(r"… of\s+61\b", out)
    assert "quickstart" in out


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_has_each_of_its_names(capsys: Capture, topic: object) -> None:
    found = next(one for one in TOPICS if one is topic)
    words = {found.name, found.name.removesuffix("s"), found.kind} - {""}
    (out,) = {listed(capsys, word) for word in words}
    assert names(found)
    for name in names(found):
        assert re.search(rf"^ +{re.escape(name)} ", out, re.MULTILINE), name


def test_topics_are_all_kinds_of_components() -> None:
    assert {topic.kind for topic in TOPICS if topic.kind} == set(BUILT_IN)
    for topic in TOPICS:
        assert sorted(names(topic)) == sorted(entry.name for entry in entries(topic))


def test_stages_that_are_rules_are_among_the_rules(capsys: Capture) -> None:
    assert {*RULE_STAGES} == {name for name in known("stage") if getattr(resolve("stage", name), "kind", "") == "rule"}
    for topic in ("rules", "stages"):
        assert "foolsgold" in listed(capsys, topic)
    assert listed(capsys, "--search", "foolsgold").count("FoolsGold:") == 1


def test_options_and_defaults_are_written_as_yaml_has_them(capsys: Capture) -> None:
    attacks = listed(capsys, "attacks")
    for word in ("boost=auto", "threshold=1e-06", "weights_only=false", "none"):
        assert word in attacks
    methods = listed(capsys, "methods")
    assert re.search(
        r"smoothgrad +The mean gradient at copies of the input with Gaussian noise\. +samples=25, noise=", methods
    )
    options = listed(capsys, "options")
    assert re.search(r"target\.target +null +class wanted by the attacker", options)
    assert re.search(r"attack +none +what the malicious clients do", options)
    assert re.search(r"local\.learning_rate +0\.001 +", options)


def test_negative_controls_are_counted_and_not_listed_one_by_one(capsys: Capture) -> None:
    out = listed(capsys, "presets")
    negative = [name for name, preset in presets().items() if preset.negative is not None]
    assert f"{len(negative)} negative controls" in out
    assert not any(re.search(rf"^ *{name} ", out, re.MULTILINE) for name in negative)
    assert "fig4-alternating" in out
    assert "fig4-alternating-paper " not in out
    assert negative[0] in listed(capsys, negative[0])


def test_a_component_has_what_it_is_and_its_options_as_they_are_typed(capsys: Capture) -> None:
    out = listed(capsys, "krum")
    assert "apply the one update that is closest" in out
    assert "Chosen by -o aggregation=krum -o aggregation.f=1" in out
    assert re.search(r"aggregation\.f +required +number of Byzantine clients", out)
    assert re.search(r"aggregation\.squared +true ", out)
    assert re.search(r"attack\.constraint\.rho +0\.0001 ", listed(capsys, "alternating-minimisation"))
    assert "It has no options." in listed(capsys, "mean")
    assert "Example" not in listed(capsys, "honest")


@pytest.mark.parametrize("name", ["mean", "digits", "gradient"])
def test_without_options_there_is_no_table(capsys: Capture, name: str) -> None:
    out = listed(capsys, name)
    assert out.endswith("It has no options.\n")
    assert "meaning" not in out


def test_presets_take_two_lines_each_at_most(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = listed(capsys, "presets")
    assert len(out.splitlines()) < 2 * 61 + 40
    assert re.search(r"^ +fig4-constrained +5 min +alternating minimisation near its own", out, re.MULTILINE)


@pytest.mark.parametrize("group", ["local", "target"])
def test_a_group_of_options_is_shown_whole(capsys: Capture, group: str) -> None:
    (topic,) = [topic for topic in TOPICS if topic.name == "options"]
    out = listed(capsys, group)
    wanted = [name for name in names(topic) if name.startswith(f"{group}.")]
    assert len(wanted) > 3
    assert all(re.search(rf"^ +{re.escape(name)} ", out, re.MULTILINE) for name in wanted)


def test_a_check_says_how_its_options_are_set(capsys: Capture) -> None:
    out = listed(capsys, "distances")
    (pasted,) = re.findall(r"-o 'checks=(.*?)'", out)
    assert pasted == "[{name: distances, margin: 0}]"


def test_a_stage_says_that_it_goes_into_the_aggregation(capsys: Capture) -> None:
    out = listed(capsys, "clip")
    (pasted,) = re.findall(r"Chosen by (-o .*)", out)
    assert pasted == "-o aggregation=clip -o aggregation.max_norm=1"
    assert re.search(r"^ +aggregation\.max_norm +required ", out, re.MULTILINE)
    assert Experiment.model_validate({"aggregation": {"name": "clip", "max_norm": 1}})


def test_metrics_are_those_of_a_runs_table(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"checks": ["distances"], "metrics": ["balanced-accuracy", "f1", "auc"]}
    run = fedlens.run(small(rounds=2, attack=ExplicitBoosting(until=2), **asked), tmp_path / "run")
    known = [name for name in METRICS if name != "accuracy.CLASS"]
    columns = [name for name in run.rounds if not name.startswith(("control_", "placebo_", "attack_", "accuracy."))]
    assert {*columns} - {"round", "window"} <= {*known}
    of_goals = {"asr", "asr_twin", "accuracy_drop"}
    of_regressions = {"mae", "rmse", "nmae", "malicious_mae", "mae_rise"}
    assert {*known} - {*columns} <= {"counts"} | of_goals | of_regressions
    backdoor = small(rounds=1, goal="backdoor", attack="data-poisoning", target={}, control=True)
    backdoor_columns = {*fedlens.run(backdoor, tmp_path / "backdoor").rounds}
    assert of_goals <= backdoor_columns
    quantities = np.arange(60, dtype=np.float32)
    np.savez(tmp_path / "numbers.npz", x=quantities[:, None] / 60, y=quantities)
    monkeypatch.chdir(tmp_path)
    data = {"name": "arrays", "path": "numbers.npz", "task": "regression"}
    sabotage = small(rounds=1, data=data, model="census-mlp", attack="sign-flipping", target={}, control=True)
    assert of_regressions <= {*fedlens.run(sabotage, tmp_path / "regression").rounds}
    out = listed(capsys, "metrics")
    assert all(re.search(rf"^ +{re.escape(name)} +\S", out, re.MULTILINE) for name in METRICS)
    assert re.search(r"^ +counts +rate of success", listed(capsys, "counts"), re.MULTILINE)
    assert "fedlens list metrics" in called(capsys, "compare", "-h")[1]


def test_a_component_of_ones_own_is_shown_like_one_of_ours(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called(capsys, "new", "rule")[0] == 0
    out = listed(capsys, "my_rule:MyRule")
    assert re.search(r"aggregation\.keep +3 +how many updates to average", out)


def test_an_option_is_shown_by_its_name_with_who_has_it(capsys: Capture) -> None:
    assert re.search(r"local\.batch_size +100 ", listed(capsys, "batch_size"))
    out = listed(capsys, "attack.boost")
    assert re.search(r"attack\.boost +auto +boosting factor .*explicit-boosting", out)
    assert re.search(r"attack\.boost +1 .*\(data-poisoning\)", out)


def test_a_preset_has_its_claim_and_values(capsys: Capture) -> None:
    out = listed(capsys, "fig4-alternating")
    assert "C7: the target is met early" in out
    assert "attack: {name: alternating-minimisation, epochs: 5}" in out


def test_what_is_searched_for_is_found_in_names_and_meanings(capsys: Capture) -> None:
    out = listed(capsys, "--search", "Median")
    for name in ("median", "geometric-median", "bulyan", "median-explicit"):
        assert re.search(rf"^ +{name} ", out, re.MULTILINE), name
    assert "trimmed-mean" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["krm"], "did you mean krum?"),
        (["rulez"], "did you mean rules?"),
        (["batchsize"], "did you mean local.batch_size?"),
        (["zzzzz"], "`fedlens list` has all that are known (or fedlens list --search zzzzz)"),
        (["--search", "qqqqq"], "it occurs nowhere"),
        (["nowhere:Component"], "'nowhere' cannot be imported"),
    ],
)
def test_what_is_nowhere_is_said_so(capsys: Capture, words: list[str], told: str) -> None:
    code, _, err = called(capsys, "list", *words)
    assert code == 2
    assert told in err
    assert len(err.splitlines()) <= 2


def test_every_name_of_a_component_is_found(capsys: Capture) -> None:
    for kind in BUILT_IN:
        for name in known(kind):
            assert name in listed(capsys, name)


def test_a_list_says_what_a_stage_and_an_attack_see() -> None:
    def about(kind: str, name: str) -> str:
        return what_it_is(resolve(kind, name))

    assert about("aggregation", "mean").endswith("Sees the sum of updates alone, as under secure aggregation.")
    assert about("stage", "nnm").endswith("Sees single updates.")
    assert about("attack", "adaptive-ipm").endswith("Sees all honest updates. Needs the server's rule.")
    assert "Sees" not in about("attack", "explicit-boosting")


def test_models_have_their_sizes_on_a_data_set(capsys: Capture) -> None:
    out = listed(capsys, "models")
    assert "sizes on adult (inputs 104, 2 classes)" in " ".join(out.split())
    assert re.search(r"census-mlp +93,186 +93,186 ", out)
    assert re.search(r"tiny +– +– ", out)
    out = listed(capsys, "models", "--data", "digits")
    assert re.search(r"census-mlp +85,002 +85,002 ", out)
    assert re.search(r"resnet8 +77,754 +77,754 ", out)


def test_only_models_have_sizes(capsys: Capture) -> None:
    code, _, err = called(capsys, "list", "rules", "--data", "digits")
    assert code == 2
    assert err == "Error: --data: only models have sizes on a data set; e.g. fedlens list models --data digits\n"
