"""Panels that take a second."""

import pytest
from tinypanels import use_tiny


@pytest.fixture
def tiny_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three panels that train on digits, of which the first two are the same experiment, in place of all others."""
    use_tiny(monkeypatch)
