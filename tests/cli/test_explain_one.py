"""``fedlens explain`` with one run."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers.calling import called
from helpers.explained import Explained
from safetensors import safe_open
from safetensors.torch import load_file

import fedlens

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    beside: Explained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Exit code, standard output and standard error of `fedlens explain ...`, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")

    def explain(*arguments: object) -> tuple[int, str, str]:
        return called(capsys, "explain", *arguments)

    return explain


def maps(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "maps.safetensors")


def test_pictures_numbers_and_maps(call: Call, beside: Explained) -> None:
    run = beside.plain
    code, out, _ = call(run.path, "--methods", "gradient,lrp-z", "--sample", "target", "--sample", "random:5")
    folder, target = run.path / "explanations", run.target.index[0]
    assert code == 0
    assert re.search(rf"{target} \(target\) +5 ", out)
    assert "the target, reasons for the class wanted by the attack (1 sample)" in " ".join(out.split())
    assert "other samples, reasons for the class predicted (5 samples)" in " ".join(out.split())
    numbers = pd.read_csv(folder / "likeness.csv")
    samples = numbers["sample"].unique().tolist()
    assert len(samples) == 6
    assert samples[0] == target
    assert len(numbers) == 6 * 2 * 2 * 4
    assert numbers["value"].between(-1, 1).all()
    pictures = {f"sample-{index}.{ending}" for index in samples[:4] for ending in ("png", "svg")}
    assert {file.name for file in folder.iterdir()} == {*pictures, "likeness.csv", "maps.safetensors"}
    for index in samples[:4]:
        assert (folder / f"sample-{index}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"sample-{index}.svg").read_text().startswith("<?xml")
        assert f"sample-{index}.png (and .svg)" in out
    found = maps(folder)
    models, classes, methods = ("benign", "attacked"), ("predicted", "target"), ("gradient", "lrp-z")
    assert set(found) == {f"{a}/{b}/{c}" for a in models for b in classes for c in methods}
    assert all(values.shape == (6, 1, 8, 8) for values in found.values())
    with safe_open(folder / "maps.safetensors", framework="pt") as file:
        assert file.metadata()["samples"] == " ".join(map(str, samples))


def test_without_samples_there_are_means_alone(call: Call, beside: Explained) -> None:
    run, words = beside.plain, ("--methods", "gradient", "--sample", "target", "--sample", "random:5", "--out", "means")
    assert call(run.path, *words)[0] == 0
    numbers = pd.read_csv("means/likeness.csv")
    code, out, _ = call(run.path, *words, "--without-samples")
    assert code == 0
    assert "(target)" not in out
    assert "the target, reasons for the class wanted by the attack (1 sample)" in " ".join(out.split())
    assert [file.name for file in Path("means").iterdir()] == ["likeness.csv"]
    means = pd.read_csv("means/likeness.csv")
    assert sorted(means["sample"].unique()) == ["other", "target"]
    assert len(means) == 2 * 2 * 4
    chosen = numbers[numbers["sample"] != run.target.index[0]]
    expected = chosen[(chosen["explained"] == "predicted") & (chosen["measure"] == chosen["measure"].iloc[0])]
    assert len(expected) == 5
    found = means[(means["sample"] == "other") & (means["explained"] == "predicted")]
    assert found["value"].iloc[0] == pytest.approx(expected["value"].mean())


def test_the_maps_are_those_of_the_models_and_the_round(call: Call, beside: Explained) -> None:
    run = beside.kept[0]
    x = run.experiment.data.load().test.x[[3]]
    found = {}
    for round_ in (1, 4, None):
        rounds = [] if round_ is None else ["--round", round_]
        assert call(run.path, "--sample", 3, "--methods", "gradient", "--out", "maps", *rounds)[0] == 0
        found[round_] = maps(Path("maps"))["attacked/target/gradient"]
        network = fedlens.experiment.setting.prepare(run.experiment).network()
        network.load(run.weights(round_ or "final"))
        torch.testing.assert_close(found[round_], fedlens.explain(network.module, x, 7))
    assert found[4].equal(found[None])
    assert not found[1].equal(found[4])


def test_pictures_say_their_round_and_go_with_their_numbers(call: Call, beside: Explained) -> None:
    folder = beside.kept[0].path / "explanations"
    folder.mkdir(exist_ok=True)
    (folder / "sample-mine.png").touch()
    for sample in (3, 5):
        assert call(beside.kept[0].path, "--sample", sample, "--methods", "gradient")[0] == 0
    assert call(beside.kept[0].path, "--sample", 8, "--methods", "gradient", "--round", 1)[0] == 0
    assert sorted(file.name for file in folder.glob("*.svg")) == ["sample-5.svg"]
    assert (folder / "sample-mine.png").exists()
    assert set(pd.read_csv(folder / "likeness.csv")["sample"]) == {5}
    assert "after round" not in (folder / "sample-5.svg").read_text()
    assert "after round 1" in (folder / "round-1/sample-8.svg").read_text()


def test_each_target_is_explained_as_its_own_class(call: Call, beside: Explained) -> None:
    run = beside.several
    code, out, _ = call(run.path, "--sample", "target", "--methods", "gradient", "--out", "maps")
    assert code == 0
    for index, wanted in zip(run.target.index, run.target.target, strict=True):
        assert re.search(rf"{index} \(target\) .* {wanted}: [\d.]+ %, then", out)
    setting = fedlens.experiment.setting.prepare(run.experiment)
    network = setting.network()
    network.load(run.weights())
    x = setting.dataset.test.x[run.target.index]
    expected = fedlens.explain(network.module, x, run.target.target)
    torch.testing.assert_close(maps(Path("maps"))["attacked/target/gradient"], expected)


def test_a_run_without_attack_may_stand_in_for_the_twin(call: Call, beside: Explained) -> None:
    run, honest = beside.plain, beside.honest
    arguments = (run.path, "--sample", 3, "--methods", "gradient", "--out", "maps")
    assert call(*arguments)[0] == 0
    twin = maps(Path("maps"))
    assert call(*arguments, "--control", honest.path)[0] == 0
    other = maps(Path("maps"))
    assert other["attacked/target/gradient"].equal(twin["attacked/target/gradient"])
    assert not other["benign/target/gradient"].equal(twin["benign/target/gradient"])


def test_records_are_explained_feature_by_feature(call: Call, beside: Explained) -> None:
    run = beside.census
    code, _, _ = call(run.path, "--sample", "target", "--methods", "input-times-gradient,occlusion:size=2")
    folder = run.path / "explanations"
    assert code == 0
    words = (folder / f"sample-{run.target.index[0]}.svg").read_text()
    for said in ("marital-status: ", "hours-per-week: ", "input times gradient", "occlusion size=2"):
        assert f"<!-- {said}" in words
    assert maps(folder)["benign/target/occlusion:size=2"].shape == (1, 104)
    assert set(pd.read_csv(folder / "likeness.csv")["measure"]) == {"spearman", "cosine", "top"}


@pytest.mark.parametrize(("shape", "words"), [((5,), "entry 4"), ((2, 3), "entry 5"), ((3, 8, 8), "input")])
def test_data_of_ones_own_are_explained(call: Call, beside: Explained, shape: tuple[int, ...], words: str) -> None:
    run = beside.own(*shape)
    code, _, _ = call(run.path, "--sample", "target", "--methods", "gradient,occlusion", "--out", "figures")
    assert code == 0
    assert f"<!-- {words} -->" in Path(f"figures/sample-{run.target.index[0]}.svg").read_text()
    assert maps(Path("figures"))["benign/predicted/occlusion"].shape == (1, *shape)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--methods gradiant", "there is no 'gradiant'; did you mean gradient?"),
        ("--methods lrp-epsilon:0.5", "expected OPTION=VALUE after the colon"),
        ("--methods ,", "--methods: expected names"),
        ("--sample first", "--sample first: expected target, the number of a test sample, or random:N"),
        ("--sample 360", "there is no such test sample; the last one is 359"),
        ("--sample random:360", "there are only 359 samples"),
        ("--round 1", "the weights after round 1 were not kept"),
        ("--round 9", "there is no round 9; the last one recorded is 4"),
        ("--control nowhere", "--control nowhere: no run is there"),
        ("--device quantum", "--device quantum"),
        ("--out /proc/nowhere --sample 3 --methods gradient", "cannot write /proc/nowhere"),
    ],
)
def test_a_mistake_is_answered_in_a_line(call: Call, beside: Explained, arguments: str, words: str) -> None:
    code, _, err = call(beside.plain.path, *arguments.split())
    assert code == 2
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_run_that_cannot_be_explained_is_refused(
    call: Call, beside: Explained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attacked = beside.plain.path
    assert "no run is there" in call("nowhere")[2]
    assert "this is a run without attack; name an attacked one" in call(beside.honest.path)[2]
    assert "attacked itself" in call(attacked, "--control", attacked)[2]
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "empty"))
    code, _, err = call(attacked)
    assert code == 2
    assert "its benign twin is not in the cache any more" in err
    assert "Traceback" not in err
