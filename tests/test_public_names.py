"""Packages export their public names, and import what defines them when these are used."""

import subprocess
import sys
from importlib import import_module
from inspect import getmembers

import pytest
from docs_python import PACKAGES

from fedlens.core.registry import BUILT_IN


@pytest.mark.parametrize("component", sorted({word for by_name in BUILT_IN.values() for word in by_name.values()}))
def test_every_component_is_a_name_of_its_package(component: str) -> None:
    module, _, name = component.partition(":")
    package = import_module(module.rpartition(".")[0])
    assert getattr(package, name) is getattr(import_module(module), name)
    assert name in dir(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_names_is_there(package: str) -> None:
    exported = import_module(package)
    assert sorted(exported.__all__) == dir(exported) == [name for name, _ in getmembers(exported, callable)]


def test_a_package_imports_nothing_heavy() -> None:
    code = f"import sys, {', '.join(PACKAGES)}; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )
