"""The classes that the pages of version 0.1 showed work in every version 0.x, letter by letter as they stood there."""

import hashlib
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import called

from fedlens import Run, load_run
from fedlens.core.registry import name_of

FOLDER = Path(__file__).with_name("written_for_0_1")
DIGESTS = {
    "nearest": "479951564e5fdb63",
    "theirs": "16f5aabf7e966829",
    "aim": "7e8f09ee9c2a2254",
    "mine": "5f2af5aaf4673dfe",
    "my_attack": "af85eac1e0ddd059",
    "my_check": "fc8deb15cc31233f",
    "my_data": "2e676acd2ae2e939",
    "my_model": "afe3f0e58c338960",
    "my_rule": "c7723c36dc019139",
}
"""Of the files as they were taken from 0.1; nothing may change one."""
CLOUDS = {"local.batch_size": "10", "local.learning_rate": "0.05"}
NAMED: dict[str, dict[str, str]] = {
    "nearest": {"aggregation": "{name: nearest:Nearest, keep: 3}"},
    "theirs": {"data": "{name: theirs:Clouds, spread: 0.2}", "model": "{name: theirs:Shallow, width: 8}", **CLOUDS},
    "aim": {"attack": "{name: aim:Aim, steps: 9}"},
    "mine": {"attack": "{name: mine:Push, push: 30}"},
    "my_attack": {"attack": "{name: my_attack:MyAttack, push: 30}"},
    "my_check": {
        "checks": "{name: my_check:MyCheck, times: 2, action: reject}",
        "attack": "{name: explicit-boosting, step_cap: 105}",
    },
    "my_data": {"data": "{name: my_data:MyData, spread: 0.2}", **CLOUDS},
    "my_model": {"model": "{name: my_model:MyModel, width: 8}"},
    "my_rule": {"aggregation": "{name: my_rule:MyRule, keep: 3}"},
}
"""How each is chosen on the command line, with an option that is not at its default."""
RENAMED = r".* is now .*; the old name will be removed|.*: source and target of a Dataset: better chosen by .*"
"""The warnings that they may meet."""
BASE = {"data": "digits", "clients": "5", "rounds": "2", "attack": "none", "checks": "none", "control": "false"}
BASE |= {"local.epochs": "1", "local.batch_size": "20", "target.select": "random"}


@pytest.mark.parametrize("name", DIGESTS)
def test_it_is_as_it_was(name: str) -> None:
    assert hashlib.sha256((FOLDER / f"{name}.py").read_bytes()).hexdigest()[:16] == DIGESTS[name]


def test_all_of_them_are_here() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} == DIGESTS.keys() == NAMED.keys()


@pytest.mark.parametrize("name", DIGESTS)
def test_it_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(FOLDER / f"{name}.py", tmp_path)
    assignments = [f"{option}={value}" for option, value in (BASE | NAMED[name]).items()]
    options = [word for assignment in assignments for word in ("-o", assignment)]
    with warnings.catch_warnings():  # any other is an error, as in all tests
        warnings.filterwarnings("ignore", RENAMED, DeprecationWarning)
        code, _, err = called(capsys, "run", "quickstart", *options, "--engine", "serial", "--out", "a")
    assert code == 0, err
    run = load_run("a")
    assert {name_of(*component).partition(":")[0] for component in run.experiment.components()} >= {name}
    require_effect(name, run)


def require_effect(name: str, run: Run) -> None:
    """Refuse a run in which the class did not do what it is for."""
    last: Any = run.records[-1]
    match name:
        case "nearest" | "my_rule":
            assert sorted(last.effective_weights) == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3])
        case "theirs" | "my_data":
            assert run.target.classes == ["top", "right", "bottom"]
            assert last.quality.accuracy > 0.9
        case "aim":
            assert last.target.success
        case "mine" | "my_attack":
            assert last.target.true_confidence[0] < 1e-6
        case "my_check":
            assert ["length" in client.checks["my_check:MyCheck"].details for client in last.clients] == [True] * 5
            assert last.rejected == [4]
        case "my_model":
            assert len(run.weights()) == 8 * 64 + 8 + 10 * 8 + 10
