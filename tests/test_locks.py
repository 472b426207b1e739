"""What `make` installs is what pyproject.toml asks for, in the versions of constraints.txt, and nothing unhashed."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = {"run": (), "test": ("test", "tracking", "ui"), "dev": ("dev",)}
PYTORCH = "torch"
"""Installed by its version, for its files depend on the machine."""


def asked(extras: tuple[str, ...]) -> list[Requirement]:
    """What fedlens with these extras requires directly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = [Requirement(text) for text in project["dependencies"]]
    waiting = list(extras)
    while waiting:
        for requirement in map(Requirement, project["optional-dependencies"][waiting.pop()]):
            if requirement.name == "fedlens":
                waiting.extend(requirement.extras)
            else:
                found.append(requirement)
    return found


def pinned(text: str) -> dict[str, str]:
    """Versions by package."""
    found = re.findall(r"^([\w.\-]+)==([^\s;\\]+)", text, flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_has_what_is_asked_for_in_the_versions_that_are_tested(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    locked, known = pinned(text), pinned((ROOT / "constraints.txt").read_text())
    for requirement in asked(EXTRAS[lock]):
        name = canonicalize_name(requirement.name)
        version = (known if name == PYTORCH else locked)[name]
        assert requirement.specifier.contains(version), f"{requirement}: run make lock"
    assert {name: known.get(name, version) for name, version in locked.items()} == locked, "run make lock"
    assert PYTORCH not in locked


@pytest.mark.parametrize("lock", EXTRAS)
def test_every_package_of_a_lock_has_hashes(lock: str) -> None:
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    packages = re.split(r"^(?=[\w])", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 50
    assert [package for package in packages if "--hash=sha256:" not in package] == []
