"""The page for those who know 0.1: the modules that it names are there, and those that it calls moved are gone."""

import re
from importlib import import_module
from importlib.util import find_spec

import pytest
from pages import DOCS

PAGE = (DOCS / "reference" / "changes-0.2.md").read_text("utf-8")
MOVED = re.findall(r"^\| `(fedlens[a-z_.]+)` \| `(fedlens[a-z_.]+)`", PAGE, flags=re.MULTILINE)
NOW_A_PACKAGE = {"fedlens.report.figures"}


def exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that it is in
        return False


@pytest.mark.parametrize(("old", "new"), MOVED)
def test_a_module_is_where_the_page_says_and_nowhere_else(old: str, new: str) -> None:
    assert exists(new)
    assert exists(old) == (old in NOW_A_PACKAGE)


def test_the_page_has_the_modules() -> None:
    assert len(MOVED) > 70


def test_what_is_imported_from_a_new_package_is_there() -> None:
    found = re.findall(r"`from ([\w.]+) import ([\w, ]+)`", PAGE)
    assert len(found) == 3
    for module, names in found:
        assert all(hasattr(import_module(module), name) for name in names.split(", "))
