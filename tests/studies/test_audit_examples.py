"""The examples of the audit's classes print what they show."""

import doctest
import importlib
import pkgutil

import pytest

from fedlens.studies import audit

PUBLIC = {"public", "result"}
"""Their examples are run with those of all public names."""
MODULES = [module.name for module in pkgutil.iter_modules(audit.__path__) if module.name not in PUBLIC]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"fedlens.studies.audit.{name}")
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
