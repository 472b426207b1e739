"""Runs that figures are drawn of: real ones, made once, and hand-made ones whose every value is known."""

from pathlib import Path

import pytest
from handmade import Made
from small import small

import fedlens


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """Six clients, all of them in every round, and all checks."""
    checks = ["accuracy", "distances", "statistics"]
    return fedlens.run(
        small(checks=checks, clients=6, rounds=2, validation=100), tmp_path_factory.mktemp("runs") / "checked"
    )


@pytest.fixture(scope="session")
def partial(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """Three of six clients in a round, so that the malicious one is missing in some."""
    experiment = small(checks=["distances", "statistics"], clients=6, fraction=0.5, rounds=5)
    return fedlens.run(experiment, tmp_path_factory.mktemp("runs") / "partial")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """A run without attack and without checks."""
    return fedlens.run(small(attack=None, rounds=1), tmp_path_factory.mktemp("runs") / "plain")


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """A run with its benign twin, with the malicious client in some rounds only."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FEDLENS_CACHE", str(folder / "cache"))
        return fedlens.run(small(control=True, fraction=0.5, rounds=6), folder / "attacked")


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)
