"""The examples in the commands' help run as they are written."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from docs_commands import commands_page
from helpers.calling import called
from pages import require_possible

from fedlens.cli.examples import EXAMPLES, examples

Capture = pytest.CaptureFixture[str]
SMALLER = "-o data=digits -o local.batch_size=20 -o rounds=2 --engine serial"
ENDLESS = ("watch", "reproduce", "audit", "flower", "test", "node")
"""They serve until they are stopped, take minutes to hours, or need Flower; the others are run."""
GRID = """
experiment: {data: digits, model: census-mlp, clients: 4, rounds: 1, control: false}
options: {local.batch_size: 50, attack: {name: explicit-boosting, boost: 2, step_cap: 10}}
product: {aggregation: [mean, median], seed: [0]}
"""


def helped(capsys: Capture, name: str) -> str:
    """What ``-h`` prints of a command."""
    words = {"clear": ["cache", "clear"], "test": ["flower", "test"], "node": ["flower", "node"]}.get(name, [name])
    code, out, _ = called(capsys, *words, "-h")
    assert code == 0
    return out


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_ends_with_examples(capsys: Capture, name: str) -> None:
    found = examples(name)
    assert len(found) >= 2
    assert helped(capsys, name).endswith("Examples:\n" + "".join(f"  {line}\n" for line in found))


def test_every_command_has_examples_and_the_reference_shows_them() -> None:
    page = "\n".join(commands_page())
    sections = page.split("\n```sh\n")[1:]
    assert len(sections) == len(EXAMPLES)
    for name, section in zip(EXAMPLES, sections, strict=True):
        assert section.startswith("\n".join(examples(name)) + "\n```")


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_can_be_meant(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rules.yaml").write_text(GRID)
    for line in examples(name):
        if name != "clear":
            require_possible(shlex.split(line))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a grid, rules of somebody's, and a round of logged updates."""
    found = tmp_path_factory.mktemp("examples")
    (found / "updates/round-00001").mkdir(parents=True)
    for client in ("global", "client-1", "client-2"):
        np.savez(found / f"updates/round-00001/{client}.npz", w=np.full((5, 4), len(client), np.float32))
    (found / "rules.yaml").write_text(GRID)
    (found / "rules.py").write_text(RULES)
    return found


RULES = """
import numpy as np
from fedlens.defences import FoolsGold as Gold

def trimmed_mean(updates, f):
    return np.sort(updates, axis=0)[f:len(updates) - f].mean(axis=0)

def krum(updates, num_byzantine):
    apart = ((updates[:, None] - updates) ** 2).sum(axis=2)
    return updates[np.sort(apart, axis=1)[:, : len(updates) - num_byzantine - 1].sum(axis=1).argmin()]
"""
MADE = ("run", "sweep")
"""Their examples make what the others' are about."""


@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("name", [*MADE, *(name for name in EXAMPLES if name not in {*MADE, *ENDLESS})])
def test_examples_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FEDLENS_CACHE", str(folder / "cache"))
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    for made in MADE:
        if not Path(f"{made}s").exists():
            require_run(made, capsys)
    Path("claims.csv").write_text("id,age,paid\n" + "".join(f"x{n},{n},{'ny'[n % 2]}\n" for n in range(30)))
    if name not in MADE:
        require_run(name, capsys)


def require_run(name: str, capsys: Capture) -> None:
    """Refuse an example of a command that does not run, made smaller here."""
    for line in examples(name):
        words = shlex.split(line)[1:]
        if "--resume" in words:
            Path("runs/quickstart/summary.json").unlink()
        elif name == "run":
            words += shlex.split(SMALLER)
        elif name == "explain" and "--methods" not in words:
            words += ["--methods", "gradient"]
        code, _, err = called(capsys, *words)
        assert code == 0, (line, err)
