"""CONTRIBUTING.md: its rooms are the rooms, and the files and tests that it names are there."""

import re
from pathlib import Path

from test_rooms import ROOMS

from fedlens.core.registry import BUILT_IN

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_its_table_has_the_rooms_in_their_order() -> None:
    assert (
        re.findall(r"^\| `([\w/.]+)` \| .* \| .* \|$", PAGE.partition("## The words")[0], flags=re.MULTILINE) == ROOMS
    )


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"(?:src|tests|docs|benchmarks|\.ci)/[\w/.\-]+", PAGE))
    files = {path.rstrip(".") for path in named if "NAME" not in path}
    assert len(files) > 20
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []


def test_the_folders_for_new_files_are_there() -> None:
    folders = {Path(path).parent for path in re.findall(r"`((?:src|tests)/[\w/]+NAME\w*\.py)`", PAGE)}
    assert len(folders) == 4 + 4  # in src and in tests
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_single_tests_and_registries_that_it_names_are_there() -> None:
    [(file, test)] = re.findall(r"(tests/[\w/]+\.py)::(\w+)", PAGE)
    assert f"def {test}(" in (ROOT / file).read_text("utf-8")
    kinds = set(re.findall(r'BUILT_IN\["(\w+)"\]', PAGE))
    assert kinds == {"attack", "aggregation", "checks", "data", "model"}
    assert kinds < set(BUILT_IN)
