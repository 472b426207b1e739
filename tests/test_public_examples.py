"""Every public class and function has an example, which runs and prints what it shows."""

import doctest
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers.made_audit import made_audit
from helpers.public import public

import fedlens
from fedlens.experiment.experiment import Experiment
from fedlens.sweeps.grid import load_grid
from fedlens.sweeps.in_process import InProcessExecutor
from fedlens.sweeps.sweep import run_cells
from fedlens.sweeps.sweep_runtime import SweepRuntime

pytestmark = pytest.mark.xdist_group("public-examples")
PUBLIC = public()
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RULES = "experiment: runs/digits\nproduct: {aggregation: [mean, median], attack.boost: [2]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what examples look at: ``runs/digits``, ``rules.yaml``, ``sweeps/rules`` and ``audits/digits``."""
    folder = tmp_path_factory.mktemp("made")
    digits = {"name": "digits", "data": "digits", "clients": 4, "rounds": 2, "local": {"epochs": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        experiment = Experiment.model_validate({**digits, "attack": "explicit-boosting", "control": False})
        fedlens.run(experiment, "runs/digits", engine="serial")
        Path("rules.yaml").write_text(RULES)
        grid, runtime = load_grid("rules.yaml"), SweepRuntime(jobs=1, engine="serial")
        run_cells(grid, grid.cells(), Path("sweeps/rules"), runtime=runtime, make_executor=InProcessExecutor)
        made_audit(Path("audits/digits"), {"explicit-boosting": ["success"] * 8}, effort="quick")
    return folder


@pytest.mark.parametrize("name", PUBLIC)
def test_an_example_prints_what_it_shows(
    name: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "here"))
    monkeypatch.setenv("FEDLENS_CACHE", str(made / "cache"))
    failures = mistakes(PUBLIC[name], name, monkeypatch)
    assert not failures, failures


def mistakes(thing: object, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with the example of a public thing, which runs as if it were typed into a new session."""
    [example] = doctest.DocTestFinder(recurse=False).find(thing, name, globs={})
    assert example.examples, f"{name} has no example"
    session = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", session)
    example.globs = vars(session)
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append, clear_globs=False)
    return "".join(report)


def test_an_example_that_is_wrong_or_missing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong() -> None:
        """Return nothing.

        Example:
            >>> 1 + 1
            3
        """

    def missing() -> None:
        """Return nothing."""

    assert "Expected:\n    3\nGot:\n    2\n" in mistakes(wrong, "wrong", monkeypatch)
    with pytest.raises(AssertionError, match="missing has no example"):
        mistakes(missing, "missing", monkeypatch)
