"""What is missing or damaged in a complete run is said, with a command to type, and so is what resuming restores."""

from pathlib import Path
from shutil import copytree

import pytest
from helpers.calling import called
from small import small

import fedlens
from fedlens.core.errors import DamagedRunError

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two rounds without a control."""
    return fedlens.run(
        small(rounds=2, control=False), tmp_path_factory.mktemp("complete") / "run", engine="serial"
    ).path


@pytest.fixture
def run(complete: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return copytree(complete, tmp_path / "run")


def shown(capsys: Capture, *words: object) -> str:
    code, out, err = called(capsys, *map(str, words))
    assert code == 0, err
    return " ".join((out + err).split())


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def test_final_weights_that_were_cut_are_told_and_written_again(run: Path, capsys: Capture) -> None:
    file, whole = run / "final.safetensors", (run / "final.safetensors").read_bytes()
    assert "Note:" not in shown(capsys, "show", run)
    cut(file)
    resume = f"fedlens run --resume --out {run}"
    said = f"{file}: has changed since the run was complete; write it again: {resume}"
    assert said.replace(" ", "") in shown(capsys, "show", run).replace(" ", "")
    words = shown(capsys, "run", "--resume", "--out", run, "--engine", "serial")
    assert f"{file}: was damaged; written again".replace(" ", "") in words.replace(" ", "")
    assert file.read_bytes() == whole
    file.unlink()
    words = shown(capsys, "run", "--resume", "--out", run, "--engine", "serial")
    assert f"{file}: was missing; written again".replace(" ", "") in words.replace(" ", "")
    assert "written again" not in shown(capsys, "run", "--resume", "--out", run, "--engine", "serial")


def test_what_cannot_be_written_again_is_made_anew(run: Path, capsys: Capture) -> None:
    cut(run / "checkpoint.safetensors")
    said = shown(capsys, "show", run).replace(" ", "")
    anew = f"fedlens run {run} --out {run}-2"
    assert (
        f"checkpoint.safetensors: has changed since the run was complete; make the run anew: {anew}".replace(" ", "")
        in said
    )


def test_of_a_run_kept_without_weights_nothing_is_said(run: Path, capsys: Capture) -> None:
    for name in ("checkpoint", "final", "best"):
        (run / f"{name}.safetensors").unlink()
    assert "Note:" not in shown(capsys, "show", run)


def test_an_experiment_that_was_edited_has_a_remedy(run: Path, capsys: Capture) -> None:
    file = run / "experiment.yaml"
    file.write_text(file.read_text().replace("rounds: 2", "rounds: 1"))
    code, _, err = called(capsys, "show", str(run))
    anew = f"fedlens run {run} --out {run}-2"
    assert code != 0
    assert f"{file}: has changed since the run was complete; undo the change, or run what it says now: {anew}" in err
    shown(capsys, *anew.split()[1:], "--engine", "serial")


def test_rounds_that_were_cut_have_a_command(run: Path, capsys: Capture) -> None:
    (run / "rounds.jsonl").write_text((run / "rounds.jsonl").read_text().splitlines(keepends=True)[0])
    anew = f"make the run anew: fedlens run {run} --out {run}-2"
    with pytest.raises(DamagedRunError, match=r"rounds 1 to 2 are not all there; ") as error:
        fedlens.run(small(rounds=2, control=False), run, engine="serial", resume=True)
    assert str(error.value).endswith(anew)


def test_a_missing_target_is_written_again_and_said(run: Path, capsys: Capture) -> None:
    (run / "target.json").unlink()
    words = shown(capsys, "run", "--resume", "--out", run, "--engine", "serial")
    assert f"{run}/target.json: was missing; written again".replace(" ", "") in words.replace(" ", "")
