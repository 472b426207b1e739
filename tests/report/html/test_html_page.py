"""The page says what there is, escapes what others wrote, and needs nothing beside it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from helpers import made_sweeps
from reading import Reader

import fedlens
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import DamagedRunError, DataError, RunError
from fedlens.report.html.one import run_page
from fedlens.report.html.page import coded, described, embedded, rendered, write_report
from fedlens.report.html.several import runs_page
from fedlens.report.html.swept import sweep_page
from fedlens.report.words import headline

pytestmark = pytest.mark.xdist_group("html")

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def read(page: dict[str, object]) -> Reader:
    return Reader(rendered(page))


def test_the_page_of_a_run(page: Path, full: fedlens.Run) -> None:
    text = page.read_text()
    found = Reader(text)
    assert page.stat().st_size < 6_000_000
    assert "6 clients, 5 of them chosen in each round, trained the model" in found.text
    assert "attacked by explicit-boosting to have test sample" in found.text
    assert "Red flag:" in found.text
    assert "fedlens explain …/full" in found.text
    assert "fedlens run …/full/experiment.yaml --out …/full-again" in found.text
    assert "packages.torch" in found.text
    assert "step_cap: 105" in found.text
    charts = [
        "metrics",
        "updates",
        "distances",
        "weights",
        "check-1",
        "check-2",
        "check-3",
        "roc",
        "classes",
        "confusion",
    ]
    assert [name for name in charts if name in found.charts] == [name for name in charts if name != "weights"]


def test_a_run_restored_from_its_records_alone_has_a_page(full: fedlens.Run, at_hand: None, tmp_path: Path) -> None:
    bare = fedlens.load_run(copytree(full.path, tmp_path / "my run", ignore=lambda *_: ["checks"]))
    said = f"the folder checks with its histograms is missing; make them anew: fedlens run '{bare.path}' --out "
    found = read(run_page(bare))
    assert f"Left out: {said}'{bare.path}-2'." in found.text
    assert "updates" not in found.charts
    assert {"distances", "check-1", "roc"} <= set(found.charts)
    both = read(runs_page([full, bare]))
    assert "updates" in both.charts
    assert f"Left out: my run: {said}" in both.text


def test_nothing_is_loaded(page: Path) -> None:
    found = Reader(page.read_text())
    policy = next(e["content"] for tag, e in found.elements if tag == "meta" and "http-equiv" in e)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "http" not in policy
    for tag, attributes in found.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, attributes)


def test_what_others_wrote_is_escaped(full: fedlens.Run, at_hand: None, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=alert(1)>"
    copytree(full.path, folder)
    lines = json.loads((folder / "environment.jsonl").read_text().splitlines()[0])
    (folder / "environment.jsonl").write_text(json.dumps(lines | {"command": [EVIL], "platform": EVIL}) + "\n")
    experiment = full.experiment.model_copy(update={"about": EVIL})
    classes = [f"{number}{EVIL}" for number in range(10)]
    run = fedlens.Run(folder, experiment, full.records, replace(full.target, classes=classes), full.summary)
    for described_ in (run_page(run), runs_page([run, full])):
        found = read(described_)
        assert len(found.scripts) == 4
        assert not any("onerror" in attributes for _, attributes in found.elements)
        assert "alert(1)" in found.text
    assert read(run_page(run)).charts["classes"]["columns"]["class"][0] == classes[0]


def test_backticks_are_code_and_nothing_else_is() -> None:
    assert coded("try `fedlens <run>` & more") == "try <code>fedlens &lt;run&gt;</code> &amp; more"
    assert coded("a ` <b>") == "a ` <b>"  # the template escapes it, for it is no markup


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"a": f"{EVIL}<!--\u2028&"}
    text = str(embedded(value))
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == value


def test_an_unfinished_run_is_shown_as_far_as_it_went(full: fedlens.Run, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    copytree(full.path, folder)
    for name in ("summary.json", "final.safetensors"):
        (folder / name).unlink()
    lines = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text("".join(lines[:2]))
    found = read(described([folder]))
    assert found.text.index("Not finished: 2 of 4 rounds") < found.text.index("So far: Attack ")
    assert "confusion matrix is left out" in found.text
    assert found.charts["metrics"]["columns"]["round"] == [1, 2]


def test_without_the_data_the_rest_is_shown(full: fedlens.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise DataError("digits: not found\ntried: everything")

    monkeypatch.setattr("fedlens.data.digits.Digits.load", missing)
    found = read(described([full.path]))
    assert "so its samples cannot be shown (digits: not found)." in found.text
    assert "confusion" not in found.charts
    assert "Wanted by the attacker" in found.text


def test_a_run_without_attack_has_a_page_too(plain: fedlens.Run, tmp_path: Path) -> None:
    found = read(described([plain.path]))
    assert "nobody attacked; the server" in found.text
    assert "Nobody attacked; test accuracy" in found.text
    assert "Wanted by the attacker" not in found.text
    assert list(found.charts["confusion"]["columns"]) == ["true", "predicted", "global_samples"]


def test_an_untargeted_attack_has_no_target_to_meet(full: fedlens.Run) -> None:
    attack = ExplicitBoosting(step_cap=105, objective="untargeted")
    run = replace(full, experiment=full.experiment.model_copy(update={"attack": attack}))
    page = run_page(run)
    assert "to make the model worse" in page["sentence"]
    assert page["succeeded"] is None
    assert read(page).text.count("Untargeted attack:") == 1


def test_a_success_that_does_not_count(absent: fedlens.Run, full: fedlens.Run) -> None:
    page = run_page(absent)
    assert page["succeeded"] is None
    assert page["outcome"].startswith("Attack failed: the target is misclassified even without the malicious client")
    text = read(page).text
    assert "the same with the client absent 0.75" in text
    assert "figure without attack client absent with the attack" in text
    assert "with the client absent it says" in text
    assert "Red flag: the client's absence does it, too" in text
    beside = read(runs_page([absent, full])).text
    assert "without attack client absent test accuracy" in beside
    assert "benign twins, and runs with the client absent" in beside
    assert "client absent" not in read(runs_page([full, full])).text


def test_who_is_absent_is_said(full: fedlens.Run) -> None:
    absent = full.experiment.model_copy(update={"attack": None, "absent": (2, 4)})
    words = "6 clients (without clients 2, 4), 5 of them chosen in each round, trained the model"
    assert run_page(replace(full, experiment=absent))["sentence"].startswith(words)
    assert "5 a round, without clients 2, 4, T=4" in headline(absent)
    assert "without" not in headline(full.experiment)


def test_a_run_without_checks_says_so(attacked: fedlens.Run) -> None:
    found = read(described([attacked.path]))
    assert "no distances were kept" in found.text
    assert "The server checked nothing" in found.text
    assert "updates" not in found.charts


def test_pictures_of_explanations_are_in_the_page(full: fedlens.Run, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    folder = tmp_path / "explained"
    copytree(full.path, folder)
    index = full.target.index[0]
    (folder / "explanations").mkdir()
    for name in (f"sample-{index}.png", "sample-99999.png"):
        Figure(figsize=(2, 1)).savefig(folder / "explanations" / name)
    (folder / "explanations" / "sample-1.png").write_bytes(b"no picture")
    found = read(described([folder]))
    pictures = [attributes for tag, attributes in found.elements if tag == "img" and attributes.get("class") == "wide"]
    assert [bool(re.search(f"sample {index}, the attacker's", str(one["alt"]))) for one in pictures] == [True, False]
    assert all(str(one["src"]).startswith("data:image/png;base64,") for one in pictures)
    assert "sample-1.png cannot be read" in found.text


def test_the_page_of_several_runs(full: fedlens.Run, attacked: fedlens.Run) -> None:
    found = read(described([full.path, attacked.path, full.path]))
    assert "2 runs compared" in found.text
    assert set(found.charts["confidence"]["columns"]["run"]) == {"full", "attacked"}
    boxes = [attributes for tag, attributes in found.elements if tag == "input"]
    assert [attributes["data-toggle"] for attributes in boxes if "data-toggle" in attributes] == ["0", "1"] * 2
    assert "clients" in found.text
    assert {"updates", "roc"} <= set(found.charts)
    assert set(found.charts["updates"]["columns"]["run"]) == set(found.charts["roc"]["columns"]["run"]) == {"full"}
    assert "In each of them" not in found.text  # their numbers of clients differ
    assert re.search(r"Red flag: [^.]+ \(attacked\)", found.text)
    assert "Left out: attacked: no histograms were kept; run it with" in found.text


def test_runs_that_differ_in_the_attack_have_one_sentence_and_the_red_flags_of_all(
    full: fedlens.Run, tmp_path: Path
) -> None:
    copytree(full.path, tmp_path / "other")
    attack = ExplicitBoosting(step_cap=105, boost=2)
    other = replace(full, path=tmp_path / "other", experiment=full.experiment.model_copy(update={"attack": attack}))
    page = runs_page([full, other])
    assert page["sentence"].startswith("6 clients, 5 of them chosen in each round, trained the model")
    assert "; the server aggregated the updates by mean, having checked them by" in page["sentence"]
    assert f"In each of them: {page['sentence']}" in read(page).text
    assert page["flags"] == full.flags != []


def test_runs_of_the_same_name_are_told_apart(full: fedlens.Run, tmp_path: Path) -> None:
    copytree(full.path, tmp_path / "full")
    page = runs_page([full, replace(full, path=tmp_path / "full")])
    assert page["names"] == ["1. …/full", "2. …/full"]


def test_runs_beneath_the_working_directory_are_told_apart_by_their_paths(
    full: fedlens.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        copytree(full.path, tmp_path / folder / "full")
    page = runs_page([replace(full, path=tmp_path / folder / "full") for folder in ("a", "b")])
    assert page["names"] == ["a/full", "b/full"]


def test_the_page_of_a_sweep(tmp_path: Path) -> None:
    def measure(row: dict[str, object]) -> dict[str, object]:
        return made_sweeps.beside_both(row) | {"accuracy": 0.5}

    fields = {"attack.boost": [2, 5, 10, 20, 40], "aggregation": ["mean", "krum(f=1)", EVIL]}
    path = made_sweeps.sweep(tmp_path / "rules", fields, measure, targets=1)
    failures = [{"cell": "c", "values": {"aggregation": EVIL}, "reason": f"no {EVIL}"}]
    (path / "failures.json").write_text(json.dumps(failures))
    (path / "sweep.yaml").write_text(f"name: {EVIL}")
    (path / "cells" / "a").mkdir(parents=True)
    start = {"command": ["x"], "platform": EVIL, "python": "3", "numerics": {"cpu": EVIL}}
    start["packages"] = {"fedlens": "1", "torch": "2"}
    (path / "cells" / "a" / "environment.jsonl").write_text(json.dumps(start) + "\n")
    file = tmp_path / "report.html"
    assert write_report([path], file) < 6_000_000
    found = Reader(file.read_text())
    assert len(found.scripts) == 4
    assert "30 runs over 2 seeds and 2 targets; what varied: attack.boost (2, 5, 10, 20, 40), agg" in found.text
    assert "1 cell failed" in found.text
    assert f"no {EVIL}" in found.text
    assert f"platform {EVIL}" in found.text
    columns = found.charts["confidence-by-option"]["columns"]
    assert len(columns["median"]) == 15
    assert columns["median"][0] == pytest.approx(0.305)
    assert columns["control_median"][0] == pytest.approx(0.05)
    assert columns["placebo_median"][:2] == [None, pytest.approx(0.06)]  # under the mean there is none
    assert "Grey: benign twins, with the client absent." in found.text
    assert "client absent" in found.text
    assert (columns["low"][0], columns["high"][0], columns["seeds"][0]) == (None, None, 2)
    assert (columns["range_low"][0], columns["range_high"][0]) == pytest.approx((0.3, 0.31))
    by_round = found.charts["accuracy-by-round"]["columns"]
    assert len(by_round["round"]) == 15 * 3
    assert by_round["seeds"] == [2] * 15 * 3
    assert by_round["range_low"] == by_round["median"] == by_round["range_high"] == [0.5] * 15 * 3
    assert "range 0.300 to 0.310" in found.text
    assert (
        "fewer than 5 seeds: results may differ with other seeds; too few for a 95 % interval, so the range is shown"
        in found.text
    )
    assert found.text.count(f"…/{path.name}") >= 30


def test_the_page_of_a_sweep_shows_the_success_rate_of_a_backdoor(tmp_path: Path) -> None:
    def planted(row: dict[str, Any]) -> dict[str, Any]:
        rates = {"asr": 0.75, "control_asr": 0.125, "asr_twin": 0.125, "placebo_asr": 0.0625, "accuracy_drop": 0.25}
        return rates | {"accuracy": 0.5, "confidence": None, "counts": True, "target_index": ""}

    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, planted, targets=1)
    page = sweep_page([path])
    assert [chart.name for chart in page["charts"]] == [
        f"{metric}-by-{along}" for along in ("option", "round") for metric in ("asr", "accuracy")
    ]
    columns = page["charts"][0].columns
    assert (columns["median"], columns["control_median"]) == ([0.75] * 2, [0.125] * 2)
    assert columns["placebo_median"] == [0.0625] * 2
    assert page["charts"][0].panels[0].figure.layout.xaxis.range == (-0.04, 1.04)
    head = ["attack success rate", "attack success rate, without attack", "attack success rate, client absent"]
    assert page["cells"].head == ["aggregation", "seed", "target", *head, "accuracy", "path"]
    assert page["cells"].rows[0][3:7] == ["0.750", "0.125", "0.062", "0.500"]


def test_the_page_of_a_sweep_shows_the_accuracy_lost_to_damage(tmp_path: Path) -> None:
    def damaged(row: dict[str, Any]) -> dict[str, Any]:
        return {"accuracy_drop": 0.25, "placebo_accuracy_drop": -0.125, "accuracy": 0.5, "counts": True}

    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]}, damaged, targets=1)
    page = sweep_page([path])
    assert [table.caption for table in page["tables"]] == [
        "Accuracy lost to the attack, last round",
        "Test accuracy, last round",
    ]
    assert page["charts"][0].panels[0].figure.layout.xaxis.range is None
    assert page["cells"].rows[0][3:6] == ["0.250", "-0.125", "0.500"]


def test_a_sweep_in_which_only_words_vary_has_a_dot_a_group(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]})
    ranges, runs, _ = sweep_page([path])["charts"][0].panels[0].figure.data
    assert (ranges.name, ranges.y) == ("range of the seeds", ("mean", "mean", None, "median", "median", None))
    assert list(ranges.x) == [pytest.approx(0.3), pytest.approx(0.31), None] * 2
    assert runs.y == ("mean", "median")
    assert np.isnan(runs.error_x.array).all()


def test_five_seeds_have_bars_in_place_of_their_range(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean"]}, seeds=5)
    runs, _ = sweep_page([path])["charts"][0].panels[0].figure.data
    assert runs.error_x.array.tolist() == [pytest.approx(0.02)]
    path = made_sweeps.sweep(tmp_path / "boosts", {"attack.boost": [1, 2, 3]}, seeds=4)
    _, ranges, _ = sweep_page([path])["charts"][0].panels[0].figure.data
    assert ranges.x == (1, 1, None, 2, 2, None, 3, 3, None)


def test_a_reproduction_has_its_claims(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "reproduction", {"name": ["fig1-explicit", "fig4-alternating"]})
    claim = {"claim": "C1", "says": "the attack <works>", "verdict": "holds"}
    (path / "claims.json").write_text(json.dumps({"claims": [claim]}))
    text = read(sweep_page([path])).text
    assert "C1 the attack <works> holds" in text
    (path / "claims.json").write_text(json.dumps({"claims": [{"claim": "C1"}]}))
    with pytest.raises(DamagedRunError, match=r"claims\.json"):
        sweep_page([path])


def test_damaged_failures_are_named(tmp_path: Path) -> None:
    path = made_sweeps.sweep(tmp_path / "rules", {"aggregation": ["mean", "median"]})
    (path / "failures.json").write_text("[3]")
    with pytest.raises(DamagedRunError, match=r"failures\.json"):
        sweep_page([path])


def test_a_directory_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run is there"):
        described([tmp_path])
    with pytest.raises(RunError, match="neither a run nor a sweep"):
        described([tmp_path, tmp_path / "other"])
