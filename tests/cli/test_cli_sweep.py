"""``fedlens sweep`` as a user sees it, stopped in every way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from helpers.calling import called
from helpers.waiting import PATIENCE, eventually
from small import small

import fedlens
from fedlens.runs.loading import load_experiment

GRID = {
    "name": "tiny",
    "experiment": small(rounds=16, clients=3, control=True).describe(),
    "product": {"attack": ["explicit-boosting", "data-poisoning"], "seed": [0, 1]},
}
MAIN = "from fedlens.cli import main; main()"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("grid.yaml").write_text(yaml.safe_dump(GRID))


def start() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "sweep", "grid.yaml", "--engine", "processes", "--jobs", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def played(process: subprocess.Popen[str], more: int) -> list[psutil.Process]:
    """All processes of the sweep, once it has played so many more rounds."""

    def rounds() -> int:
        cache = Path(os.environ["FEDLENS_CACHE"], "controls")
        files = [*Path("sweeps/tiny").glob("cells/*/rounds.jsonl"), *cache.glob("*/rounds.jsonl")]
        return sum(file.read_bytes().count(b"\n") for file in files)

    before = rounds()
    assert eventually(lambda: rounds() >= before + more or process.poll() is not None)
    return psutil.Process(process.pid).children(recursive=True)


def test_a_sweep_stopped_in_every_way_ends_with_the_same_bits() -> None:
    for stop, more, code in ((signal.SIGKILL, 5, -9), (signal.SIGINT, 20, 130), (signal.SIGTERM, 3, 130)):
        process = start()
        others = played(process, more)
        process.send_signal(stop)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, output
        assert len(others) >= 2  # the workers, and what their engines have forked at the moment
        assert psutil.wait_procs(others, timeout=PATIENCE)[1] == []
        assert "Traceback" not in output
        if code == 130:
            assert "the same command goes on" in output
            assert Path("sweeps/tiny/rounds.parquet").exists()
    process = start()
    others = played(process, 3)
    victim = next(other for other in others if "fedlens.sweeps.worker" in other.cmdline())
    victim.kill()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "signal SIGKILL" in output
    assert "1 of 4 cells failed" in output
    process = start()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output
    cells = sorted(Path("sweeps/tiny/cells").iterdir())
    assert len(cells) == 4
    (Path(os.environ["FEDLENS_CACHE"], "controls")).rename("twins-of-the-sweep")
    for place, cell in enumerate(cells):
        fedlens.run(load_experiment(str(cell)), str(place), engine="serial")
        for name in ("rounds.jsonl", "final.safetensors", "checkpoint.safetensors"):
            assert (cell / name).read_bytes() == Path(str(place), name).read_bytes()
    table = pd.read_parquet("sweeps/tiny/rounds.parquet")
    assert len(table) == 64
    assert not table.duplicated(["cell", "round"]).any()
    for twin in Path("twins-of-the-sweep").glob("*/rounds.jsonl"):
        assert len(twin.read_bytes().splitlines()) == 16


def test_progress_result_and_that_all_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    small_one = ("sweep", "grid.yaml", "-o", "rounds=1", "-o", "product.seed=[0]", "-o", "control=false")
    code, out, _ = called(capsys, *small_one, "--jobs", "1")
    assert code == 0
    assert "tiny: 2 cells, 0 of them done already, 1 at a time" in out
    assert "2 of 2 done" in out
    assert "accuracy" in out
    assert "sweeps/tiny/rounds.parquet" in out
    assert "fedlens compare sweeps/tiny --by attack" in out
    code, out, _ = called(capsys, *small_one)
    assert code == 0
    assert "all that can be run is done already" in out
    code, out, err = called(capsys, *small_one, "-o", "product.attack=[explicit-boosting, explicit-bosting]")
    assert code == 2
    assert "did you mean explicit-boosting?" in out
    assert "1 of 2 cells failed" in err
    assert len(json.loads(Path("sweeps/tiny/failures.json").read_text())) == 1
    code, out, _ = called(capsys, "compare", "sweeps/tiny", "--by", "seed")
    assert code == 0
    assert "1 of its runs failed and are left out" in " ".join(out.split())


def test_where_every_cell_failed_there_is_no_table_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ("-o", "rounds=1", "-o", "options.target.source=1", "-o", "options.target.target=1")
    code, out, err = called(capsys, "sweep", "grid.yaml", *wrong, "--jobs", "1")
    assert code == 2
    assert "4 of 4 cells failed" in err
    assert "rounds.parquet" not in out
    assert "Next" not in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "nowhere.yaml: cannot be read: No such file"),
        (["small.yaml"], "fedlens run plays it"),
        (["grid.yaml", "-o", "product.seed=1"], "expected a list"),
        (["grid.yaml", "-o", "prodct.seed=[1]"], "prodct: unknown option"),
        (["grid.yaml", "--jobs", "0"], "at least one"),
        (["grid.yaml", "--address", "auto"], "for --on ray"),
        (["grid.yaml", "--out", "small.yaml"], "choose another --out"),
        (["grid.yaml", "--out", "."], "something else is there"),
        (["grid.yaml", "--device", "foo"], "--device foo: not usable here"),
        (["grid.yaml", "-o", "experiment=nowhere.yaml"], "grid.yaml: "),
        (["a:x:b.yaml"], "a:x:b.yaml: cannot be read: No such file"),
    ],
)
def test_a_mistake_is_answered_in_a_line(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    Path("small.yaml").write_text(yaml.safe_dump(small().describe()))
    code, _, err = called(capsys, "sweep", *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("sweeps").exists()
