"""A run that has everything a page shows, and the page of it."""

from pathlib import Path

import pytest
from small import small

import fedlens
from fedlens.report.html.page import write_report


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the twin is."""
    return tmp_path_factory.mktemp("html-cache")


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> fedlens.Run:
    """Six clients of which five are chosen, a benign twin, and all checks."""
    checks = ["accuracy", "distances", "statistics"]
    experiment = small(checks=checks, clients=6, fraction=0.8, rounds=4, validation=100, control=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_CACHE", str(cache))
        return fedlens.run(experiment, tmp_path_factory.mktemp("html") / "full")


@pytest.fixture
def at_hand(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """The benign twin is in the cache."""
    monkeypatch.setenv("FEDLENS_CACHE", str(cache))


@pytest.fixture(scope="session")
def page(full: fedlens.Run, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of that run."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_CACHE", str(cache))
        file = tmp_path_factory.mktemp("page") / "report.html"
        write_report([full.path], file)
    return file
