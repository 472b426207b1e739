"""The examples of what the bridge to Flower exports, and which versions it takes."""

import doctest
import warnings
from pathlib import Path

import pytest

import fedlens.bridges.flower as bridge
from fedlens.bridges.flower import compat
from fedlens.core.errors import ConfigError


@pytest.mark.parametrize("name", bridge.__all__)
def test_an_example_prints_what_it_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [example] = doctest.DocTestFinder(recurse=False).find(getattr(bridge, name), name, globs={})
    assert example.examples
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of click, by the version of typer that Flower wants
        failed = doctest.DocTestRunner().run(example, out=said.append).failed
    assert failed == 0, "".join(said)


@pytest.mark.parametrize(("found", "fits"), [("1.40.2", False), ("1.41.0", True), ("1.42.7", True), ("2.0.0", False)])
def test_versions_that_were_not_tried_are_refused(found: str, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "version", lambda _: found)
    if fits:
        assert compat.flower_version() == found
        return
    with pytest.raises(ConfigError, match=rf"Flower {found} is installed; these versions will do: pip install"):
        compat.flower_version()
