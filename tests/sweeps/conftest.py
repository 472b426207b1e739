"""What tests of sweeps share: a directory to work in."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which the user works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
