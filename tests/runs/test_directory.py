import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock
from helpers.calling import called
from helpers.waiting import PATIENCE, eventually
from safetensors import safe_open
from safetensors.torch import save
from small import small

import fedlens
from fedlens.core.errors import ConfigError, DamagedRunError, RunError
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.directory import RunDirectory
from fedlens.runs.loading import load_experiment
from fedlens.runs.record import RoundRecord
from fedlens.simulation.callback import Callback

SAME = ("rounds.jsonl", "final.safetensors", "best.safetensors", "checkpoint.safetensors", "target.json")


def same_bytes(one: Path, other: Path) -> None:
    for name in SAME:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def run(experiment: Experiment, path: Path, **means: object) -> fedlens.Run:
    return fedlens.run(experiment, path, **means)  # type: ignore[arg-type]


def test_a_run_is_the_same_with_one_worker_and_with_two(tmp_path: Path) -> None:
    experiment = small(control=True)
    run(experiment, tmp_path / "one", engine="serial")
    run(experiment, tmp_path / "two", engine="processes", workers=2)
    run(experiment, tmp_path / "three", engine="processes", workers=1)
    same_bytes(tmp_path / "one", tmp_path / "two")
    same_bytes(tmp_path / "one", tmp_path / "three")


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    run(small(), tmp_path / "one")
    run(small(seed=1), tmp_path / "two")
    assert (tmp_path / "one/rounds.jsonl").read_bytes() != (tmp_path / "two/rounds.jsonl").read_bytes()


def test_the_written_experiment_makes_the_run_again(tmp_path: Path) -> None:
    run(small(control=True), tmp_path / "one")
    again = load_experiment(str(tmp_path / "one/experiment.yaml"))
    assert again == small(control=True)
    run(again, tmp_path / "two")
    same_bytes(tmp_path / "one", tmp_path / "two")


def test_load_run_gives_tidy_tables_and_weights(tmp_path: Path) -> None:
    target = {"r": 3}
    found = run(small(control=True, target=target, fraction=0.5, rounds=5), tmp_path / "run")
    assert list(found.rounds["round"]) == [1, 2, 3, 4, 5]
    assert {"accuracy", "confidence", "control_confidence", "malicious_accuracy", "attack_steps"} <= set(found.rounds)
    assert len(found.targets) == 15
    first = found.targets[found.targets["round"] == 1]
    assert found.rounds["confidence"][0] == pytest.approx(first["confidence"].mean())
    assert list(first["true"]) == found.target.true
    assert len(found.classes) == 50
    for name, rows in found.classes.groupby("class"):
        for prefix in ("", "control_"):
            columns = found.rounds[f"{prefix}accuracy.{name}"], rows[f"{prefix}accuracy"]
            pd.testing.assert_series_equal(*(column.reset_index(drop=True) for column in columns), check_names=False)
    assert found.weights().shape == found.weights("best").shape == found.weights("last").shape == (85_002,)
    assert (found.weights() == found.weights("last")).all()
    assert found.summary is not None
    assert found.summary.accuracy == found.rounds["accuracy"].iloc[-1]
    absent = found.rounds[~found.rounds["attacker"]]
    assert len(absent)
    assert absent["malicious_accuracy"].isna().all()
    assert absent["malicious_share"].isna().all()
    shares = found.rounds["malicious_share"][found.rounds["attacker"]]
    assert shares.tolist() == pytest.approx([1 / found.experiment.cohort_size] * len(shares), rel=0.01)
    assert not absent["acted"].any()


def test_best_weights_are_those_of_the_highest_accuracy(tmp_path: Path) -> None:
    found = run(small(rounds=4), tmp_path / "run")
    accuracies = found.rounds["accuracy"]
    assert found.summary is not None
    assert found.summary.best_accuracy == accuracies.max()
    assert found.summary.best_round == accuracies.idxmax() + 1


SCRIPT = """
import sys
from fedlens.cli import main
sys.argv = ["fedlens", *sys.argv[1:]]
main()
"""


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(path: Path, rounds: int, process: subprocess.Popen[bytes]) -> None:
    assert eventually(lambda: lines(path) >= rounds or process.poll() is not None, pause=0.002)


@pytest.fixture
def experiment_file(tmp_path: Path) -> Path:
    file = tmp_path / "experiment.yaml"
    experiment = small(control=True, rounds=30, clients=3)
    file.write_text(yaml.safe_dump(experiment.describe()))
    return file


def test_a_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path, experiment_file: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(load_experiment(str(experiment_file)), whole)
    cache = Path(os.environ["FEDLENS_CACHE"])
    (twin,) = [path for path in (cache / "controls").iterdir() if path.is_dir()]
    expected = (twin / "rounds.jsonl").read_bytes()
    twin.rename(tmp_path / "twin-of-whole")  # the killed run has to make its own
    kills = 0
    # twice during the twin and three times during the run, a little later each time
    for place, (file, rounds) in enumerate(
        [
            (twin / "rounds.jsonl", 2),
            (twin / "rounds.jsonl", 20),
            (killed / "rounds.jsonl", 1),
            (killed / "rounds.jsonl", 5),
            (killed / "rounds.jsonl", 20),
        ]
    ):
        begun = ["--resume", "--out", killed] if killed.exists() else [experiment_file, "--out", killed]
        process = start("run", *begun, "--workers", 2)
        wait_for(file, rounds, process)
        time.sleep(0.004 * place)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 4
    finished = start("run", "--resume", "--out", killed)
    output, _ = finished.communicate(timeout=PATIENCE)
    assert finished.returncode == 0, output.decode()
    same_bytes(whole, killed)
    assert (twin / "rounds.jsonl").read_bytes() == expected


def test_workers_end_when_their_parent_is_killed(tmp_path: Path, experiment_file: Path) -> None:
    import psutil

    process = start("run", experiment_file, "--out", tmp_path / "run", "--workers", 2)
    children: list[psutil.Process] = []

    def at_work() -> bool:
        children[:] = psutil.Process(process.pid).children()
        return len(children) == 2

    assert eventually(at_work)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    assert not alive


def test_an_interruption_ends_cleanly_and_says_how_to_go_on(tmp_path: Path, experiment_file: Path) -> None:
    path = tmp_path / "run"
    process = start("run", experiment_file, "--out", path, "--engine", "processes", "--workers", 2)
    wait_for(path / "rounds.jsonl", 1, process)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"fedlens run --resume --out {path} --engine processes --workers 2" in output.decode()
    assert "Traceback" not in output.decode()


def cut_back(path: Path, rounds: int) -> None:
    """Make a finished run look as if it had been killed after some rounds."""
    (path / "summary.json").unlink()
    (path / "final.safetensors").unlink()
    kept = (path / "rounds.jsonl").read_bytes().splitlines(keepends=True)[:rounds]
    (path / "rounds.jsonl").write_bytes(b"".join(kept))


@pytest.fixture
def two_of_four(tmp_path: Path) -> Path:
    """A run of four rounds of which two have been played, with all that a kill in the third may leave behind."""
    path = tmp_path / "unfinished"
    run(small(rounds=2), path)
    (path / "summary.json").unlink()
    (path / "final.safetensors").unlink()
    text = (path / "experiment.yaml").read_text()
    assert "rounds: 2" in text
    (path / "experiment.yaml").write_text(text.replace("rounds: 2", "rounds: 4"))
    return path


@pytest.mark.parametrize("left", [b"", b'{"round": 3, "coh', b'{"round": 3}\n', b"\xff\xfe"])
def test_a_torn_or_premature_record_is_cut_off(tmp_path: Path, two_of_four: Path, left: bytes) -> None:
    with (two_of_four / "rounds.jsonl").open("ab") as file:
        file.write(left)
    (two_of_four / ".checkpoint.safetensors.0123abcd").write_bytes(b"half")
    run(small(rounds=4), two_of_four, resume=True)
    run(small(rounds=4), tmp_path / "whole")
    same_bytes(tmp_path / "whole", two_of_four)
    assert not list(two_of_four.glob(".checkpoint*"))


@pytest.mark.parametrize("engine", ["serial", "processes", "vectorised"])
def test_a_run_is_gone_on_with_as_it_was_begun(tmp_path: Path, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a dense network, `auto` would take `vectorised`, whose bits are others."""
    run(small(rounds=4), tmp_path / "whole", engine=engine)
    path = tmp_path / "run"
    run(small(rounds=2), path, engine=engine)
    (path / "summary.json").unlink()
    text = (path / "experiment.yaml").read_text()
    (path / "experiment.yaml").write_text(text.replace("rounds: 2", "rounds: 4"))
    code, printed, err = called(capsys, "run", "--resume", "--out", path)
    assert code == 0, err
    assert "bits may differ" not in printed
    starts = [json.loads(line) for line in (path / "environment.jsonl").read_text().splitlines()]
    assert [start["engine"] for start in starts] == [engine, engine]
    same_bytes(tmp_path / "whole", path)


def test_a_run_of_an_earlier_version_is_gone_on_with_by_its_engine(two_of_four: Path) -> None:
    (two_of_four / "start.json").unlink()
    run(small(rounds=4), two_of_four, resume=True)
    starts = [json.loads(line) for line in (two_of_four / "environment.jsonl").read_text().splitlines()]
    assert starts[0]["engine"] == starts[1]["engine"]
    assert (two_of_four / "start.json").exists()


def test_another_engine_can_be_asked_for(two_of_four: Path) -> None:
    run(small(rounds=4), two_of_four, resume=True, engine="serial")
    assert json.loads((two_of_four / "environment.jsonl").read_text().splitlines()[-1])["engine"] == "serial"


def test_data_are_looked_for_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    run(small(rounds=2), Path("run"), data_dir=Path("data"))
    Path("run/summary.json").unlink()
    Path("data").rmdir()
    seen: list[object] = []
    monkeypatch.setattr("fedlens.simulation.runtime.prepare", lambda *given: seen.append(given[2]) or prepare(*given))
    run(small(rounds=2), Path("run"), resume=True)
    assert seen == [tmp_path / "data"]
    assert str(tmp_path) not in Path("run/start.json").read_text()


def test_a_run_of_0_1_says_itself_where_its_data_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    run(small(rounds=2), path)
    (path / "summary.json").unlink()
    start = json.loads((path / "start.json").read_text())
    (path / "start.json").write_text(json.dumps(start | {"data_dir": str(tmp_path / "data")}))
    seen: list[object] = []
    monkeypatch.setattr("fedlens.simulation.runtime.prepare", lambda *given: seen.append(given[2]) or prepare(*given))
    run(small(rounds=2), path, resume=True)
    assert seen == [tmp_path / "data"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": {"r": 5000}}, "target.r: 5000 asked for"),
        ({"target": {"index": [10**6]}}, "there is no test sample"),
        (
            {"control": True, "target": {"r": 35, "source": 8, "target": 2}},
            "cannot be judged: without attack, the model gets",
        ),
    ],
)
@pytest.mark.parametrize("keep", [False, True])
def test_a_start_that_was_refused_leaves_nothing_behind(
    tmp_path: Path, changes: dict[str, object], words: str, keep: bool
) -> None:
    (tmp_path / "theirs").mkdir()
    for path in (tmp_path / "new", tmp_path / "theirs"):
        for _ in range(2):
            with pytest.raises(ConfigError, match=words):
                run(small(**changes), path, keep_weights=keep)
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "theirs").iterdir()) == []
    assert len(run(small(rounds=1), tmp_path / "new").records) == 1


def test_a_start_that_was_killed_before_its_first_round_can_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(small(rounds=1), path)
    for file in path.iterdir():
        if file.is_file() and file.name not in {"experiment.yaml", "start.json", ".lock", "target.json"}:
            file.unlink()
    with pytest.raises(RunError, match=r"a run is there already \(0 rounds\)"):
        run(small(rounds=2), path)
    assert len(run(small(rounds=1), path).records) == 1


class Meddles(Callback):
    """Does something to the run's files after its second round."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle = meddle

    def round(self, record: RoundRecord) -> None:
        if record.round == 2:
            self.meddle()


@pytest.mark.parametrize(
    "name",
    [
        "rounds.jsonl",
        "timings.jsonl",
        "target.json",
        "experiment.yaml",
        "environment.jsonl",
        "weights/00001.safetensors",
    ],
)
def test_a_file_that_is_removed_while_a_run_goes_on_is_missed(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=f"{name}: has been removed while the run was going on"):
        run(small(), tmp_path / "run", keep_weights=True, observer=Meddles((tmp_path / "run" / name).unlink))
    assert not (tmp_path / "run/summary.json").exists()


@pytest.mark.parametrize("name", ["rounds.jsonl", "timings.jsonl"])
def test_a_file_that_is_changed_while_a_run_goes_on_is_noticed(tmp_path: Path, name: str) -> None:
    def meddle() -> None:
        (tmp_path / "run" / name).write_text("")

    with pytest.raises(RunError, match=f"{name}: has been changed while the run was going on"):
        run(small(), tmp_path / "run", observer=Meddles(meddle))


def everything(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoint.safetensors", b"x"),
        ("checkpoint.safetensors", b""),
        ("rounds.jsonl", b""),
        ("rounds.jsonl", b"null\nnull\n"),
        ("rounds.jsonl", b'{"round": 1}\n{"round": 2}\n{"round": 3}\n'),
        ("weights/00001.safetensors", b"x"),
        ("experiment.yaml", b"clients: 0"),
        ("target.json", b"{}"),
    ],
)
def test_what_cannot_be_gone_on_with_is_left_as_it_is(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / "run"
    run(small(rounds=2), path, keep_weights=True)
    (path / "summary.json").unlink()
    (path / "experiment.yaml").write_text((path / "experiment.yaml").read_text().replace("rounds: 2", "rounds: 4"))
    (path / name).write_bytes(content)
    with (path / "timings.jsonl").open("ab") as file:
        file.write(b'{"round": 3}\n{"rou')
    before = everything(path)
    with pytest.raises(RunError):
        run(small(rounds=4), path, resume=True)
    assert everything(path) == before


def test_what_is_cut_is_kept(tmp_path: Path, two_of_four: Path) -> None:
    with (two_of_four / "rounds.jsonl").open("ab") as file:
        file.write(b'{"round": 3}\n{"rou')
    run(small(rounds=4), two_of_four, resume=True)
    assert (two_of_four / "cut/rounds.jsonl").read_bytes() == b'{"round": 3}\n{"rou'
    run(small(rounds=4), tmp_path / "whole")
    same_bytes(tmp_path / "whole", two_of_four)


def test_records_without_a_checkpoint_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "run"
    run(small(rounds=2), path, keep_weights=True)
    before = everything(path)
    (path / "checkpoint.safetensors").unlink()
    run(small(rounds=2), path, resume=True)
    after = everything(path)
    for name in ("rounds.jsonl", "timings.jsonl", "summary.json", "weights/00001.safetensors"):
        assert after[f"cut/{name}"] == before[name]
    assert after["rounds.jsonl"] == before["rounds.jsonl"]


def test_what_is_not_ours_is_left_alone(two_of_four: Path) -> None:
    theirs = [".notes.txt", ".git/config.txt", ".a.b.c", "checks/.mine.txt", ".rounds.txt", ".experiment.yml.swp"]
    theirs += [".rounds.jsonl.swp", ".rounds.jsonl.0123abc", ".rounds.jsonl.0123abcg", ".rounds.jsonl.0123ABCD"]
    for name in theirs:
        (two_of_four / name).parent.mkdir(exist_ok=True)
        (two_of_four / name).write_text("mine")
    (two_of_four / ".hidden.folder").mkdir()
    ours = [".checkpoint.safetensors.0123abcd", ".rounds.jsonl.ffffffff", ".00003.safetensors.a1b2c3d4"]
    for name in ours:
        (two_of_four / name).write_bytes(b"half")
    run(small(rounds=4), two_of_four, resume=True)
    assert all((two_of_four / name).read_text() == "mine" for name in theirs)
    assert not any((two_of_four / name).exists() for name in ours)


def test_a_damaged_checkpoint_is_refused(two_of_four: Path) -> None:
    file = two_of_four / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(DamagedRunError, match=r"checkpoint\.safetensors.*damaged"):
        run(small(rounds=4), two_of_four, resume=True)


def weights_of_another_length(tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:5].clone()


def weights_of_another_type(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double()


def weights_that_are_no_numbers(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.where(torch.arange(len(tensor)) != 7, torch.nan)


CHANGES = {
    weights_of_another_length: r"of shape \[5\], where the model has \d+ weights",
    weights_of_another_type: r"of type torch.float64, where the model's weights are torch.float32",
    weights_that_are_no_numbers: "not all finite, though no round is recorded that destroyed the model",
}


@pytest.mark.parametrize("name", ["weights", "history.0.weights", "history.0.update"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("rounds", [2, 4])
def test_a_checkpoint_that_does_not_fit_the_model_is_refused(
    two_of_four: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor], rounds: int
) -> None:
    file = two_of_four / "checkpoint.safetensors"
    if rounds == 4:  # and so there is nothing left to play
        run(small(rounds=4), two_of_four, resume=True)
    with safe_open(str(file), framework="pt") as content:
        weights, state = content.get_tensor("weights"), json.loads(content.metadata()["state"])
    state["history"] = [[1, 0.2, {}]]
    tensors = {"weights": weights, "history.0.weights": weights.clone(), "history.0.update": weights.clone()}
    del state["crc32"]  # as in a checkpoint from before there were sums
    file.write_bytes(save({**tensors, name: change(weights)}, metadata={"state": json.dumps(state)}))
    if name.endswith("update") and change is weights_that_are_no_numbers:  # which an attack may send
        run(small(rounds=4), two_of_four, resume=True)
        return
    before = everything(two_of_four)
    found = name.replace("history.0", "history.3.0")  # of the attacker, whom the checkpoints of 0.1 do not name
    words = (
        rf"checkpoint\.safetensors: does not fit \({found}: {CHANGES[change]}\); make the run anew: fedlens run .*-2$"
    )
    with pytest.raises(DamagedRunError, match=words):
        run(small(rounds=4), two_of_four, resume=True)
    after = everything(two_of_four)
    assert {key: after[key] for key in before if key != "start.json"} == {
        key: content for key, content in before.items() if key != "start.json"
    }


def test_missing_records_are_refused(two_of_four: Path) -> None:
    (two_of_four / "rounds.jsonl").write_bytes(b"")
    with pytest.raises(RunError):
        run(small(rounds=4), two_of_four, resume=True)


def test_another_experiment_cannot_be_resumed_into_the_directory(two_of_four: Path) -> None:
    with pytest.raises(RunError, match=r"attack\.step_cap: 105, now 106"):
        run(
            small(rounds=4, attack={"name": "explicit-boosting", "step_cap": 106}),
            two_of_four,
            resume=True,
        )


def test_not_even_before_its_first_round(two_of_four: Path) -> None:
    (two_of_four / "rounds.jsonl").unlink()
    (two_of_four / "checkpoint.safetensors").unlink()
    with pytest.raises(RunError, match=r"seed: 0, now 7"):
        run(small(rounds=4, seed=7), two_of_four, resume=True)


def test_another_target_cannot_be_resumed_into_the_directory(two_of_four: Path) -> None:
    file = two_of_four / "target.json"
    target = json.loads(file.read_text())
    file.write_text(json.dumps({**target, "index": [0]}))
    with pytest.raises(RunError, match=r"test samples \[0\] as targets"):
        run(small(rounds=4), two_of_four, resume=True)


def test_a_torn_line_about_the_environment_is_cut_off(two_of_four: Path) -> None:
    with (two_of_four / "environment.jsonl").open("ab") as file:
        file.write(b'{"started": "20')
    run(small(rounds=4), two_of_four, resume=True)
    kept = [json.loads(line) for line in (two_of_four / "environment.jsonl").read_text().splitlines()]
    assert len(kept) == 2


def test_a_directory_in_which_nothing_was_begun_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.lock").touch()
    assert len(run(small(rounds=1), tmp_path / "run").records) == 1


def test_a_run_may_be_called_like_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(small(rounds=1), Path("quickstart"))
    assert fedlens.load_run("quickstart").experiment == small(rounds=1)
    assert run(small(rounds=1), Path("quickstart"), resume=True).experiment == small(rounds=1)


def test_an_unfinished_run_is_resumed_rather_than_a_finished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        fedlens.run(small(rounds=1))
    Path("runs/small/summary.json").unlink()
    Path("runs/broken").mkdir()
    Path("runs/broken/experiment.yaml").write_text("attack: gone:Attack")
    assert fedlens.run(small(rounds=1), resume=True).path == Path("runs/small")


def test_a_twin_is_said_to_be_one(tmp_path: Path) -> None:
    run(small(rounds=1, control=True, target={"select": "random"}), tmp_path / "run")
    (twin,) = [path for path in Path(os.environ["FEDLENS_CACHE"], "controls").iterdir() if path.is_dir()]
    with pytest.raises(RunError, match="benign twin"):
        fedlens.load_run(twin)


def test_a_renamed_experiment_can(two_of_four: Path) -> None:
    found = run(small(rounds=4, name="other", about="now with a name"), two_of_four, resume=True)
    assert len(found.records) == 4


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    run(small(rounds=2), tmp_path / "run")
    before = (tmp_path / "run/rounds.jsonl").read_bytes()
    assert len(run(small(rounds=2), tmp_path / "run", resume=True).records) == 2
    assert (tmp_path / "run/rounds.jsonl").read_bytes() == before
    assert lines(tmp_path / "run/environment.jsonl") == 1


def test_a_run_without_its_weights_is_not_complete_while_it_is_made_again(tmp_path: Path) -> None:
    run(small(rounds=2), tmp_path / "whole")
    run(small(rounds=2), tmp_path / "run")
    for file in (tmp_path / "run").glob("*.safetensors"):
        file.unlink()
    RunDirectory(tmp_path / "run").resume(small(rounds=2))
    assert not (tmp_path / "run" / "summary.json").exists()
    run(small(rounds=2), tmp_path / "run", resume=True)
    same_bytes(tmp_path / "whole", tmp_path / "run")


def test_a_stopped_run_does_not_play_on_when_resumed(tmp_path: Path) -> None:
    experiment = small(rounds=6, stop_at=0.1, attack=None)
    assert len(run(experiment, tmp_path / "run").records) == 1
    (tmp_path / "run/summary.json").unlink()
    assert len(run(experiment, tmp_path / "run", resume=True).records) == 1


def test_resuming_under_other_versions_is_remarked(two_of_four: Path) -> None:
    from fedlens.simulation.callback import Callback

    class Ears(Callback):
        heard: list[str] = []  # noqa: RUF012 - one test, one object

        def remark(self, text: str) -> None:
            self.heard.append(text)

    file = two_of_four / "environment.jsonl"
    file.write_text(file.read_text().replace('"torch": "2', '"torch": "1'))
    run(small(rounds=4), two_of_four, resume=True, observer=Ears())
    assert any("torch" in text and "bits may differ" in text for text in Ears.heard)


def test_a_directory_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run(small(rounds=1), tmp_path / "run")
    with pytest.raises(RunError, match=r"1 rounds.*--resume or choose another --out"):
        run(small(rounds=1), tmp_path / "run")


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("text")
    with pytest.raises(RunError, match="something else"):
        run(small(rounds=1), tmp_path)


def test_two_processes_cannot_write_one_run(two_of_four: Path) -> None:
    with FileLock(two_of_four / ".lock"), pytest.raises(RunError, match="another process"):
        run(small(rounds=4), two_of_four, resume=True)


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/run"):
        run(small(rounds=1), tmp_path / "file" / "run")


def test_a_full_disk_loses_nothing(tmp_path: Path, experiment_file: Path) -> None:
    """The limit on a file's size stands for a disk: weights of 340 kB fit, the records stop growing."""
    path = tmp_path / "run"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (350_000, 350_000))\n{SCRIPT}"
    padded = small(rounds=700, clients=2, local={"steps": 1}, attack=None)
    experiment_file.write_text(yaml.safe_dump(padded.describe()))
    command = [sys.executable, "-c", limited, "run", str(experiment_file), "--out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "--resume" in done.stderr
    assert "Traceback" not in done.stderr
    records = fedlens.load_run(path).records
    assert len(records) > 100
    assert lines(path / "rounds.jsonl") >= len(records)


@pytest.mark.parametrize("name", ["experiment.yaml", "rounds.jsonl", "target.json"])
def test_a_complete_run_is_not_read_where_a_file_has_changed(tmp_path: Path, name: str) -> None:
    run(small(rounds=2), tmp_path / "run")
    content = (tmp_path / "run" / name).read_bytes()
    (tmp_path / "run" / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedRunError, match=f"{name}: has changed since the run was complete"):
        fedlens.load_run(tmp_path / "run")


@pytest.mark.parametrize("content", ["{", "{}", '{"checksums": []}', '{"checksums": {}}'])
def test_a_damaged_summary_is_named(tmp_path: Path, content: str) -> None:
    run(small(rounds=1), tmp_path / "run")
    (tmp_path / "run/summary.json").write_text(content)
    with pytest.raises(DamagedRunError, match=r"summary\.json: (cannot be read|damaged)"):
        fedlens.load_run(tmp_path / "run")


def test_no_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run is there"):
        fedlens.load_run(tmp_path)


def test_checksums_cover_every_file(tmp_path: Path) -> None:
    run(small(rounds=1), tmp_path / "run")
    sums = json.loads((tmp_path / "run/summary.json").read_text())["checksums"]
    written = {path.name for path in (tmp_path / "run").iterdir()} - {".lock", "summary.json"}
    assert set(sums) == written


def test_default_directories_count_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fedlens.run(small(rounds=1)).path == Path("runs/small")
    assert fedlens.run(small(rounds=1)).path == Path("runs/small-2")
    resumed = fedlens.run(small(rounds=1), resume=True)
    assert resumed.path in (Path("runs/small"), Path("runs/small-2"))
    with pytest.raises(RunError, match="no run of this experiment"):
        fedlens.run(small(rounds=2), resume=True)


@pytest.mark.parametrize("name", ["rounds.jsonl", "target.json"])
def test_a_complete_run_that_lacks_a_file_is_damaged(tmp_path: Path, name: str) -> None:
    run(small(rounds=1), tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(DamagedRunError, match=f"{name}: is missing, though the run was complete"):
        fedlens.load_run(tmp_path / "run")
