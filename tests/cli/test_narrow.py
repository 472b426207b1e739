"""On a terminal of 80 columns, or 60, tables break no word and cut none, and no percent sign stands alone."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.calling import called
from helpers.narrow import require_whole
from small import small

import fedlens
from fedlens.cli.shared import say
from fedlens.core.parsing import dump_yaml
from fedlens.defences.krum import Krum
from fedlens.report.terminal.fitting import sentences
from fedlens.report.terminal.printing import PlainConsole

Capture = pytest.CaptureFixture[str]
WIDTHS = (80, 60)
TRIED = small(
    name="a-run-with-a-name",
    clients=6,
    rounds=2,
    control=True,
    aggregation=Krum(f=1),
    attack={"name": "alternating-minimisation", "boost": 2, "epochs": 1, "ls": 2},
    checks=["accuracy", "distances", "statistics"],
    validation=100,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, each beside its twin and its placebo, with all checks."""
    found = tmp_path_factory.mktemp("narrow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(found / "cache"))
        for seed in (0, 1):
            run = fedlens.run(TRIED.model_copy(update={"seed": seed}), found / "runs" / str(seed), engine="serial")
            assert run.records[0].placebo
    return found


@pytest.fixture
def at_width(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Callable[[int, list[str]], str]:
    """What a command prints to a terminal of so many columns."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FEDLENS_CACHE", str(folder / "cache"))

    def printed(width: int, words: list[str]) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        code, out, err = called(capsys, *words)
        assert code == 0, err
        return out

    return printed


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "command",
    [
        "show runs/0",
        "compare runs/0 runs/1 --by aggregation,seed --metric confidence --metric success --metric accuracy",
        "compare runs/0 runs/1 --by attack",
        "list",
        "list presets",
        "list attacks",
        "list options",
        "list alternating-minimisation",
        "list --search median",
        "partition runs/0",
        "cache",
    ],
)
def test_tables_fit(at_width: Callable[[int, list[str]], str], command: str, width: int) -> None:
    wide, narrow = (at_width(columns, command.split()) for columns in (400, width))
    require_whole(wide, narrow, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_summary_of_a_run_fits(at_width: Callable[[int, list[str]], str], folder: Path, width: int) -> None:
    Path("experiment.yaml").write_text(dump_yaml(TRIED.describe(), width=100), "utf-8")
    found = []
    for columns in (400, width):
        out = at_width(columns, ["run", "experiment.yaml", "--engine", "serial", "--out", "again"])
        shutil.rmtree("again")
        found.append(out[out.index("again, after 2 rounds") :])
    require_whole(*found, width)


def test_checks_have_a_table_of_their_own(at_width: Callable[[int, list[str]], str]) -> None:
    lines = at_width(80, ["show", "runs/0"]).splitlines()
    (head,) = [place for place, line in enumerate(lines) if "malicious flagged" in line]
    assert lines[head].split() == ["check", "malicious", "flagged", "honest", "flagged", "ROC", "AUC"]
    for check, line in zip(("accuracy", "distances", "statistics"), lines[head + 2 :], strict=False):
        assert re.fullmatch(rf" {check} +\d of 2 +\d+ of 10 +[01]\.\d\d ", line)


def test_sentences_are_broken_between_words_but_not_within_commands() -> None:
    flag = "one seed and one target of all that there are to choose from here: repeat it with `fedlens sweep grid.yaml`"
    assert sentences(flag, 80).splitlines() == [
        "one seed and one target of all that there are to choose from here: repeat it",
        "with `fedlens sweep grid.yaml`",
    ]
    remedy = (
        "Error: checks: unknown; e.g. -o 'checks=[{name: distances, margin: 1}]', or fedlens run --resume --out a-path"
    )
    assert sentences(remedy, 40).splitlines() == [
        "Error: checks: unknown; e.g.",
        "-o 'checks=[{name: distances, margin: 1}]',",
        "or fedlens run --resume --out a-path",
    ]
    assert sentences("fedlens says what is wrong, in 95 % of all cases", 20).splitlines() == [
        *("fedlens says what is", "wrong, in 95 % of", "all cases"),
    ]


def test_terminals_get_lines_that_fit_and_pipes_get_whole_ones(capsys: Capture) -> None:
    for terminal, lines in ((True, 2), (False, 1)):
        say("Note: word " + "word " * 10, console=PlainConsole(width=40, force_terminal=terminal))
        assert len(capsys.readouterr().out.splitlines()) == lines


def test_descriptions_of_commands_are_whole(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = called(capsys, "-h")
    assert code == 0
    assert "..." not in out.partition("Commands:")[2]
