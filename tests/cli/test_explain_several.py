"""``fedlens explain`` with runs of several seeds."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.calling import called
from helpers.explained import Explained

from fedlens.explanations.study import ALL


@pytest.fixture(autouse=True)
def elsewhere(beside: Explained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in an empty directory, on a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `fedlens explain ...`."""
    return called(capsys, "explain", *arguments)


FEW = ("--sample", "random:6", "--methods", "gradient,lrp-z")


def test_numbers_figure_answers_and_detector(beside: Explained, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, *(run.path for run in beside.kept), *FEW)
    assert code == 0
    files = {"contrast.csv", "contrast.png", "contrast.svg", "detector.csv", "detector-rounds.csv"}
    assert {file.name for file in Path("explanations").iterdir()} == files
    assert Path("explanations/contrast.png").read_bytes().startswith(b"\x89PNG")
    numbers = pd.read_csv("explanations/contrast.csv")
    assert len(numbers) == 3 * (2 * (4 + 1) + 1)
    assert set(numbers["verdict"]) == {"too few seeds to tell"}
    assert out.count("How alike are models' maps?") == 3
    assert (
        len(re.findall(r"^Can a defender tell from .*\? Too few seeds to tell: .*2 seeds\)\.$", out, re.MULTILINE)) == 3
    )
    assert "test samples, in place of the server's own" in out

    scores = pd.read_csv("explanations/detector-rounds.csv")
    assert len(scores) == 2 * 2 * 3 * (2 * 4 + 1)
    assert set(scores["round"]) == {2, 3, 4}
    for run in beside.kept:
        some = scores[(scores["seed"] == run.experiment.seed) & (scores["method"] == ALL)]
        guilty = [3 in record.cohort for record in run.records[1:]]
        assert some[some["attacked"]]["guilty"].tolist() == guilty
        assert not some[~some["attacked"]]["guilty"].any()
        assert (some["score"] > 0).all()
    areas = pd.read_csv("explanations/detector.csv")
    assert len(areas) == 2 * 4 + 1
    assert areas["auc"].between(0, 1).all()


def test_without_the_weights_there_is_no_detector(beside: Explained, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, beside.kept[0].path, beside.plain.path, *FEW, "--out", "new/folder")
    assert code == 0
    assert "No detector: it needs every round's weights, of runs made with --keep-weights." in out
    assert {file.name for file in Path("new/folder").iterdir()} == {"contrast.csv", "contrast.png", "contrast.svg"}


def test_a_round_in_the_middle(beside: Explained, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for rounds, folder in (([], ""), (["--round", "4"], "round-4"), (["--round", "2"], "round-2")):
        assert call(capsys, *(run.path for run in beside.kept), *FEW, *rounds)[0] == 0
        found.append(pd.read_csv(Path("explanations", folder, "contrast.csv")))
    assert found[0].equals(found[1])
    assert not found[0].equals(found[2])


def test_mistakes_are_answered_in_a_line(beside: Explained, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, plain = *(run.path for run in beside.kept), beside.plain.path
    shutil.copytree(second, "unlike")
    Path("unlike/summary.json").unlink()
    written = yaml.safe_load(Path("unlike/experiment.yaml").read_text())
    Path("unlike/experiment.yaml").write_text(yaml.safe_dump(written | {"stop_at": 0.99}))
    for arguments, words in [
        ((first, first), "kept0; name one run of each seed"),
        ((first, "unlike"), "in more than seed and target: stop_at: None, now 0.99"),
        ((first, second, "--control", beside.honest.path), "--control: of several runs each has its own benign twin"),
        (
            (first, second, "--sample", "target"),
            "--sample: several runs are compared on samples that are no attacker's",
        ),
        ((first, plain, "--round", 1), "the weights after round 1 were not kept"),
        ((first, second, "--methods", "all,none"), "there is no 'all'"),
        ((first, "nowhere"), "no run is there"),
        ((first, beside.honest.path), "in more than seed and target: attack"),
    ]:
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert words in err
        assert len(err.splitlines()) == 1
    assert not Path("explanations").exists()


def test_a_twin_that_is_gone_is_missed(
    beside: Explained, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = [run.path for run in beside.kept]
    monkeypatch.setenv("FEDLENS_CACHE", str(tmp_path / "empty"))
    code, _, err = call(capsys, *paths)
    assert code == 2
    assert "its benign twin is not in the cache any more" in err
