import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from helpers.calling import called
from small import small

from fedlens.cli.run import tracked
from fedlens.report.html.one import WITHOUT_SAMPLES


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a directory of its own, on a wide terminal, with the small experiment in small.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("small.yaml").write_text(yaml.safe_dump(small(rounds=2).describe()))
    return tmp_path


def test_run_prints_rounds_table_figure_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "run", "small.yaml", "-o", "attack.boost=4", "--engine", "serial")
    assert code == 0
    assert "round 2/2: accuracy" in out
    assert re.search(r"test accuracy +[\d.]+ %", out)
    assert "Figure: runs/small/metrics.png" in out
    assert Path("runs/small/metrics.png").read_bytes().startswith(b"\x89PNG")
    assert "Red flag: no control" in out
    suggested = re.findall(r"^  fedlens (.*)$", out, flags=re.MULTILINE)
    assert len(suggested) == 2
    for command in suggested:
        assert called(capsys, *command.split())[0] == 0


def test_the_twin_stands_in_table_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "run", "small.yaml", "-o", "control=true")
    assert code == 0
    assert "benign twin: digits" in out
    assert "without attack" in out
    assert "the benign twin" in out
    assert "benign twin: already in" in called(capsys, "run", "small.yaml", "-o", "control=true")[1]


def test_the_quickstart_runs_on_few_samples_and_its_twin_is_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-o", "data=digits", "-o", "rounds=2", "-o", "local.batch_size=20", "-o", "name=digits"]
    code, out, _ = called(capsys, "run", "quickstart", *options, "--engine", "serial")
    assert code == 0
    assert "the benign twin" in out
    assert "benign twin: already in" in called(capsys, "run", "runs/digits", "--engine", "serial")[1]
    explain = ["explain", "runs/digits", "--sample", "target", "--methods", "gradient"]
    assert called(capsys, *explain)[0] == 0
    written = yaml.safe_load(Path("runs/digits/experiment.yaml").read_text())
    assert written["validation"] is None


def test_run_without_attack_suggests_one(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "run", "small.yaml", "-o", "attack=none")
    assert code == 0
    assert "attack=explicit-boosting" in out
    assert "Attack succeeded" not in out


def test_show_and_plot(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run", "small.yaml", "-o", "target.r=3", "-o", "attack.delay=2")[0] == 0
    assert called(capsys, "run", "small.yaml")[0] == 0
    code, out, _ = called(capsys, "show", "runs/small")
    assert code == 0
    assert "3 test samples" in out
    assert "delay" in out
    assert re.search(r"\d of 3", out)
    assert "after round 2" in out
    assert "accuracy in class" in out
    assert "Red flag: one seed: repeat it with `fedlens sweep`" in out
    for name in ("two.png", "two.svg", "two.pdf"):
        assert called(capsys, "plot", "runs/small", "runs/small-2", "--output", name)[0] == 0
        assert Path(name).stat().st_size > 1000


def test_show_of_an_unfinished_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "run", "small.yaml")
    Path("runs/small/summary.json").unlink()
    code, out, _ = called(capsys, "show", "runs/small")
    assert code == 0
    assert "fedlens run --resume --out runs/small" in out
    assert called(capsys, "run", "--resume", "--out", "runs/small")[0] == 0
    assert Path("runs/small/summary.json").exists()


def test_resume_by_the_runs_directory_or_by_the_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "run", "small.yaml")
    for arguments in (["runs/small"], ["small.yaml"]):
        Path("runs/small/summary.json").unlink()
        assert called(capsys, "run", *arguments, "--resume")[0] == 0
        assert Path("runs/small/summary.json").exists()
    assert not Path("runs/small-2").exists()


def test_weights_are_kept_if_wanted_from_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run", "small.yaml")[0] == 0
    assert not Path("runs/small/weights").exists()
    code, _, err = called(capsys, "run", "--resume", "--out", "runs/small", "--keep-weights")
    assert code == 2
    assert "begun without --keep-weights" in err
    assert called(capsys, "run", "runs/small", "--keep-weights", "--out", "kept")[0] == 0
    assert {file.name for file in Path("kept/weights").iterdir()} == {"00001.safetensors", "00002.safetensors"}


def test_seed_and_no_control(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run", "small.yaml", "-o", "control=true", "--seed", "7", "--no-control")[0] == 0
    written = yaml.safe_load(Path("runs/small/experiment.yaml").read_text())
    assert written["seed"] == 7
    assert written["control"] is False


def test_partition_prints_class_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "partition", "small.yaml", "-o", "partition=dirichlet", "-o", "clients=3")
    assert code == 0
    rows = [[int(cell) for cell in re.findall(r"\d+", line)] for line in out.splitlines()]
    clients = [row for row in rows if len(row) == 12 and row[0] != row[1]]
    assert len(clients) == 3
    assert sum(row[1] for row in clients) == 1437
    assert all(row[1] == sum(row[2:]) for row in clients)


def test_a_run_is_tracked_where_asked_to(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    code, _, err = called(capsys, "run", "small.yaml", "--engine", "serial", "--track", "tensorboard:events")
    assert (code, err) == (0, "")
    assert list(Path("events/small").glob("events.out.*"))
    page = Path("runs/small/report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert WITHOUT_SAMPLES not in page


def test_trackers_get_no_samples_if_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("fedlens.report.html.page.write_report", lambda *_, code, samples: asked.append(samples))
    for name in ("metrics.png", "triggered.png"):
        Path(name).touch()
    figures = [Path("metrics.png"), Path("triggered.png")]
    assert tracked(Path(), None, samples=True) == [*figures, Path("report.html")]
    assert tracked(Path(), None, samples=False) == [figures[0], Path("report.html")]
    assert asked == [True, False]


MISTAKES = {
    "an unknown tracker": (["--track", "wandb"], "--track wandb: expected mlflow, mlflow:URI or tensorboard:DIR"),
    "a misspelt option": (["-o", "attack.bost=5"], "attack.bost: unknown option; did you mean attack.boost?"),
    "a misspelt section": (["-o", "atack.boost=5"], "did you mean attack?"),
    "a symbol of the paper": (["-o", "K=5"], "called clients here"),
    "no client": (["-o", "fraction=0"], "fraction"),
    "less than one client": (["-o", "fraction=0.1"], "less than one client"),
    "more clients than data": (["-o", "clients=2000"], "1,437|1437"),
    "no target": (["-o", "target.r=0"], "target.r"),
    "an unknown class": (["-o", "target.source=sandal"], "no class 'sandal'"),
    "a class out of range": (["-o", "target.target=10"], "no class 10"),
    "a sample out of range": (
        ["-o", "target.index=360", "-o", "target.select=null"],
        "no test sample 360; the last one is 359",
    ),
    "a target that is true": (["-o", "target.source=7"], "choose another class"),
    "no boosting": (["-o", "attack.boost=0"], "attack.boost"),
    "negative boosting": (["-o", "attack.boost=-3"], "attack.boost"),
    "an unknown attack": (["-o", "attack=explicit-bosting"], "did you mean explicit-boosting?"),
    "an attack nowhere": (["-o", "attack=nowhere:Attack"], "nowhere"),
    "a model for other data": (["-o", "model=paper-cnn"], "wants images"),
    "no number": (["-o", "rounds=many"], "rounds"),
    "half an assignment": (["-o", "rounds"], "expected option=value"),
    "both epochs and steps": (["-o", "local.steps=5"], "epochs or steps"),
    "too many workers": (["--engine", "serial", "--workers", "3"], "one worker"),
    "no workers": (["--workers", "0"], "at least one"),
    "no such device": (["--device", "quantum"], "--device quantum"),
    "no such data directory": (["-o", "data=fashion-mnist", "--data-dir", "nowhere"], "nowhere"),
    "nothing to resume": (["--resume"], "no run of this experiment"),
    "nothing to resume there": (["--resume", "--out", "nowhere"], "no run to resume"),
    "an unwritable place": (["--out", "/proc/nowhere/run"], "cannot write /proc/nowhere"),
    "no confidence": (["-o", "attack.hold_off=0"], "attack.hold_off"),
    "the wrong client": (["-o", "attack.client=4"], "no client 4"),
    "a device without memory": (["--device", "meta"], "--device meta"),
    "resistance of no attack": (["-o", "attack=none", "-o", "target.select=resistant"], "needs the control"),
    "resistance without control": (["-o", "target.select=resistant"], "needs the control"),
}

REMEDY = r"-o \S+=\S|--[a-z]|fedlens [a-z]|did you mean|is called|known:"
"""Something to paste, or to type in place of what was typed."""


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_answered_in_a_line_or_two(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, _, err = called(capsys, "run", "small.yaml", *arguments)
    assert code == 2
    assert re.search(words, err), err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) <= 2
    assert re.search(REMEDY, err), err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["rum"], "run"),
        (["show", "x", "--tracebak"], "--traceback"),
        (["compare", "x", "--metrc", "loss"], "--metric"),
        (["plot", "x", "--kind", "metric"], "metrics"),
        (["run", "quickstart", "--engine", "serail"], "serial"),
        (["sweep", "x.yaml", "--on", "rya"], "ray"),
        (["reproduce", "--scale", "papr"], "paper"),
        (["reproduce", "fig4-alternatng"], "fig4-alternating"),
        (["cache", "clear", "contrl"], "controls"),
    ],
    ids=" ".join,
)
def test_a_misspelt_word_names_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str
) -> None:
    code, _, err = called(capsys, *arguments)
    assert code == 2
    assert re.search(rf"(?i)(did you mean|possible options:) '?{meant}\b", err), err


@pytest.mark.parametrize("command", [[], ["run"], ["list"], ["cache"], ["cache", "clear"], ["new"]], ids=" ".join)
def test_help_is_at_h(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    short, long = called(capsys, *command, "-h"), called(capsys, *command, "--help")
    assert short == long
    assert short[0] == 0
    assert "Usage: fedlens" in short[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    fedlens = Path(sys.executable).parent / "fedlens"
    environment = {**os.environ, "_FEDLENS_COMPLETE": f"complete_{shell}"}
    environment |= {"COMP_WORDS": "fedlens rep", "COMP_CWORD": "1"} if shell == "bash" else {}
    environment |= {"_TYPER_COMPLETE_ARGS": "fedlens rep", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run([fedlens], capture_output=True, text=True, env=environment, check=False)
    assert {"report", "reproduce"} <= set(re.findall(r"\w+", done.stdout)), done
    assert "sweep" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run"], "fedlens list"),
        (["run", "quikstart.yml"], "quikstart.yml: there is no such file; did you mean quickstart?"),
        (["run", "smal.yaml"], "did you mean small.yaml?"),
        (["show", "runs/smal"], "no run is there"),
        (["run", "quikstart"], "did you mean quickstart?"),
        (["show", "nowhere"], "no run is there"),
        (["plot", "nowhere"], "no run is there"),
        (["partition", "nowhere"], "no preset or file"),
        (["run", "empty.yaml"], "empty.yaml: is empty"),
        (["run", "broken.yaml"], "broken.yaml, line 3"),
        (["run", "twice.yaml"], "given twice"),
        (["run", "binary.yaml"], "binary.yaml"),
    ],
)
def test_a_wrong_name_or_file_is_said_so(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    Path("empty.yaml").write_text("")
    Path("broken.yaml").write_text("seed: 1\nrounds: [1\n")
    Path("twice.yaml").write_text("seed: 1\nseed: 2\n")
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    code, _, err = called(capsys, *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_a_refusal_of_the_system_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "locked/run")

    monkeypatch.setattr("fedlens.runs.places.unused", refuse)
    code, _, err = called(capsys, "run", "small.yaml")
    assert code == 2
    assert err.startswith("Error: locked/run: Permission denied")
    assert "Traceback" not in err


def test_a_figure_of_an_unknown_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "run", "small.yaml")
    code, _, err = called(capsys, "plot", "runs/small", "--output", "figure.gif")
    assert code == 2
    assert ".png, .svg, .pdf" in err


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["plot", "run", "-o", "both.png"], "write --output both.png"),
        (["plot", "-oboth.png", "run"], "write --output both.png"),
        (["compare", "run", "-o", "a file.svg"], "write --output 'a file.svg'"),
        (["report", "run", "-o"], "write --output FILE"),
        (["explain", "run", "-o", "maps"], "write --out maps"),
        (["show", "run", "-o", "rounds=3"], "fedlens show has no such option"),
    ],
)
def test_a_file_is_named_by_output_and_not_by_o(
    capsys: pytest.CaptureFixture[str], words: list[str], remedy: str
) -> None:
    code, _, err = called(capsys, *words)
    assert code == 2
    assert err == f"Error: -o sets an option of an experiment, as in fedlens run; {remedy}\n"


def test_what_comes_after_two_dashes_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "-oddly: no run is there" in called(capsys, "show", "--", "-oddly")[2]


def test_a_failing_client_is_named_and_what_was_recorded_stays(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(
        "from fedlens import Attack\n"
        "class Mine(Attack):\n"
        "    '''Fails.'''\n"
        "    def craft(self, view):\n"
        "        if view.round == 2: raise ValueError('too late')\n"
        "        return view.train()\n"
    )
    code, _, err = called(capsys, "run", "small.yaml", "-o", "attack=mine:Mine")
    assert code == 2
    assert "malicious client 3 in round 2 failed: ValueError: too late" in err
    assert "Traceback" not in err
    assert "in craft" in Path("runs/small/error.txt").read_text()
    code, out, _ = called(capsys, "show", "runs/small")
    assert code == 0
    assert "1 of 2 rounds" in out


def test_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = called(capsys, "--version")
    assert code == 0
    assert out.startswith(f"fedlens {version('fedlens')}, torch {version('torch')}, Python 3.")


def test_the_program_is_installed_and_starts_quickly() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "fedlens", "--help"], capture_output=True, text=True, check=True
    )
    assert "partition" in done.stdout
    code = "import sys, fedlens.cli; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
