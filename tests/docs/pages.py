"""A page of the documentation as a reader follows it: its blocks of commands, Python, files and output."""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from docs_commands import commands

from fedlens.cli import main
from fedlens.experiment.cell import Cell
from fedlens.experiment.presets import presets
from fedlens.runs.loading import load_experiment
from fedlens.studies.audit.described import described
from fedlens.studies.paper.plan import panels
from fedlens.sweeps.grid import load_grid

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
FENCE = re.compile(r'^(?P<indent> *)```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?$')
NOT_RUN = re.compile(r"^ *<!-- not run: [^;]+?(?:; in its place: (?P<instead>.+))? -->$")
NUMBER = re.compile(r"[−-]?\d+(?:[.,]\d+)*(?:e-?\d+)?")
OTHER_PROGRAMS = {"pip", "source", "ray", "flower-superlink", "flower-supernode", "flwr", "openssl", "printf"}


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        language: of its first fence.
        title: the file that it is, if it is one.
        text: its lines.
        not_run: whether it is marked as not to be run.
        instead: shorter commands that are run in its place.
    """

    language: str
    title: str | None
    text: str
    not_run: bool
    instead: list[list[str]]

    @property
    def commands(self) -> list[list[str]]:
        """Of a block of commands, each in words."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "sh" else []
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    @property
    def only_read(self) -> list[list[str]]:
        """The commands that are not run, nor others of their kind in their place."""
        kinds = [words[:2] for words in self.instead]
        return [words for words in self.commands if self.not_run and words[:2] not in kinds]


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page in their order."""
    before, lines = "", iter(text.splitlines())
    for line in lines:
        assert "<!-- not run" not in line or NOT_RUN.match(line), f"write the whole mark in one line: {line}"
        if fence := FENCE.match(line):
            mark = NOT_RUN.match(before)
            indent, inside = len(fence["indent"]), []
            for inner in lines:
                if inner.strip() == "```":
                    break
                inside.append(inner[indent:])
            text = "".join(f"{inner}\n" for inner in inside)
            instead = (mark["instead"] or "").split(" && ") if mark else []
            commands_ = [shlex.split(command) for command in instead if command]
            yield Block(fence["language"], fence["title"], text, bool(mark), commands_)
        before = line


def follow(page: list[Block], capture: pytest.CaptureFixture[str], really: Mapping[str, str] | None = None) -> None:
    """Do in the present directory what a page says, and compare what is printed with what it shows.

    Args:
        page: its blocks.
        capture: of what is printed.
        really: what stands here for words of the page, such as the address of a cluster.
    """
    names: dict[str, object] = {"__name__": "page"}
    printed: str | None = None
    for block in page:
        if block.title:
            Path(block.title).write_text(block.text)
        elif block.language == "sh":
            for words in block.commands if block.not_run else []:
                require_possible(words)
            for words in block.instead if block.not_run else block.commands:
                run([(really or {}).get(word, word) for word in words])
            printed = None if block.not_run else capture.readouterr().out
        elif block.language == "python" and not block.not_run:
            text = block.text
            for word, other in (really or {}).items():
                text = text.replace(word, other)
            exec(compile(text, "page", "exec"), names)
            printed = capture.readouterr().out
        elif block.language == "text" and printed is not None:
            require_shown(block.text, printed)
        if block.not_run:
            capture.readouterr()


def run(words: list[str]) -> None:
    """Run `fedlens ...` in this process."""
    assert words[0] == "fedlens", f"{words}: only fedlens is run; mark the block as not run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdin", StringIO())
        code: object = None
        try:
            main()
        except SystemExit as end:
            code = end.code
        assert not code, words


def require_possible(words: list[str]) -> None:
    """Refuse a command that cannot be meant: a program, command, option, preset or value that does not exist."""
    while re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
    elif words[0] != "fedlens":
        assert words[0] in OTHER_PROGRAMS, words
    else:
        given = commands()[words[1]].make_context(words[1], words[2:]).params
        source, assignments = given.get("source"), given.get("option") or []
        if source in presets() or (source and Path(source).is_file()):
            (described if words[1] == "audit" else load_experiment)(source, assignments)
        if "grid" in given and Path(given["grid"]).is_file():
            require_possible_cells(load_grid(Path(given["grid"]), assignments).cells())
        if "wanted" in given:
            panels(given["wanted"] or [])


def require_possible_cells(cells: list[Cell]) -> None:
    """Refuse a grid without a cell, or with one that no experiment can have."""
    assert cells
    assert not {cell.error for cell in cells} - {""}


def require_shown(shown: str, printed: str) -> None:
    """Refuse lines that were not printed in this order; numbers, blanks and rules count for nothing."""
    left = iter([plain(line) for line in printed.splitlines()])
    for line in map(plain, shown.splitlines()):
        if line:
            assert any(line in other for other in left), f"not printed, or not here: {line!r}\n{printed}"


def plain(line: str) -> str:
    """A line without what may differ."""
    return " ".join(NUMBER.sub("#", line.replace("─", "")).split())
