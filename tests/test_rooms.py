"""The rooms of the house: arrows between them run only downwards, and no files import each other in a circle."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "fedlens"

ROOMS = [
    "core",
    "kernels",
    "data",
    "models",
    "training",
    "goals",
    "attacks",
    "defences",
    "experiment",
    "runs",
    "analysis",
    "simulation/engines",
    "simulation",
    "sweeps",
    "explanations/methods",
    "explanations",
    "report",
    "report/terminal",
    "report/figures",
    "report/html",
    "tracking",
    "watch",
    "cluster",
    "studies",
    "studies/paper",
    "studies/conformance",
    "studies/audit",
    "bridges/wire",
    "bridges/flower",
    "bridges",
    "cli",
    ".",
]
"""From the ground up; a room is a folder with Python files."""

MOST_ARROWS = 190


@cache
def modules() -> dict[str, Path]:
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = ("fedlens", *file.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """What a file imports of fedlens, at its top, within functions and for types alike."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in known else node.module


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imports(file, known)) - {name} for name, file in known.items()}


def room(module: str) -> str:
    return str(modules()[module].parent.relative_to(ROOT))


@pytest.fixture(scope="module")
def arrows(graph: dict[str, set[str]]) -> dict[tuple[str, str], list[str]]:
    rooms = {name: room(name) for name in graph}
    found: dict[tuple[str, str], list[str]] = {}
    for name, targets in graph.items():
        for target in targets:
            if rooms[name] != rooms[target]:
                found.setdefault((rooms[name], rooms[target]), []).append(f"{name} -> {target}")
    return found


def test_every_room_is_on_the_plan(graph: dict[str, set[str]]) -> None:
    assert {room(name) for name in graph} == set(ROOMS)


def test_arrows_run_only_downwards(arrows: dict[tuple[str, str], list[str]]) -> None:
    upwards = [words for (above, below), words in arrows.items() if ROOMS.index(above) < ROOMS.index(below)]
    assert upwards == []


def test_there_are_few_arrows(arrows: dict[tuple[str, str], list[str]]) -> None:
    assert 100 < len(arrows) <= MOST_ARROWS


def test_no_files_import_each_other_in_a_circle(graph: dict[str, set[str]]) -> None:
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)  # which raises CycleError


def test_nothing_is_loose_at_the_root() -> None:
    assert sorted(file.name for file in ROOT.iterdir() if file.is_file()) == [
        "__init__.py",
        "__init__.pyi",
        "__main__.py",
        "py.typed",
    ]


def test_only_the_registry_reaches_the_cluster(graph: dict[str, set[str]]) -> None:
    assert [
        name
        for name, targets in graph.items()
        if room(name) != "cluster" and any(room(one) == "cluster" for one in targets)
    ] == []
