"""The page on Python: every public name, those of `fedlens` first, then what each package exports besides."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from docs_options import KINDS

import fedlens
from fedlens.core.config import Config
from fedlens.core.errors import FedlensError
from fedlens.core.registry import known, resolve

ROOT = Path(fedlens.__file__).parent
OF_EXTRAS = {"fedlens.bridges.flower"}
"""Packages that need what is not installed beside the documentation, and have pages of their own."""
PACKAGES = sorted(
    {".".join(("fedlens", *stub.parent.relative_to(ROOT).parts)) for stub in ROOT.rglob("*/__init__.pyi")} - OF_EXTRAS
)
"""The packages that export names."""
DESCRIBED = {"Attackers", "Experiment", "LocalTraining", "Target"}
"""Configurations to be made, not derived from."""


def python_page() -> Iterator[str]:
    """Yield the public names, documented by their docstrings; for components, by the pages of their kind."""
    yield "# Python"
    yield ""
    yield "The public names: those of the package `fedlens`, and those that packages within it export."
    yield ""
    yield (
        "All examples run as they are. Those that read `runs/digits` mean a run of four clients and two rounds; "
        "`sweeps/rules` is a sweep of it, with the rules mean and median and `attack.boost` 2, as in `rules.yaml`, and "
        "`audits/digits` an audit of such a federation."
    )
    yield ""
    titles: dict[str, list[str]] = {"Functions": [], "Classes to derive from": [], "Values": [], "Errors": []}
    for name in fedlens.__all__:
        titles[_title(name, getattr(fedlens, name))].append(name)
    for title, names in titles.items():
        yield f"## {title}"
        yield ""
        for name in names:
            yield from (f"::: fedlens.{name}", "")
    for package in PACKAGES:
        yield from _package(package)


def _title(name: str, thing: Any) -> str:
    if inspect.isfunction(thing):
        return "Functions"
    if issubclass(thing, FedlensError):
        return "Errors"
    derived_from = issubclass(thing, (Config, fedlens.Callback)) and name not in DESCRIBED
    return "Classes to derive from" if derived_from else "Values"


def _package(package: str) -> Iterator[str]:
    """Yield what a package exports: links for what is documented elsewhere, then the rest."""
    exported = {name: getattr(import_module(package), name) for name in import_module(package).__all__}
    components = {
        resolve(kind, name): f"{page}.md#{name}" for kind, (page, *_) in KINDS.items() for name in known(kind)
    }
    linked = {name: components.get(thing, "") for name, thing in exported.items()}
    linked |= {name: f"#fedlens.{name}" for name in exported if name in fedlens.__all__}
    yield f"## {package}"
    yield ""
    if any(linked.values()):
        yield ", ".join(f"[`{name}`]({target})" for name, target in linked.items() if target)
        yield ""
    for name, target in linked.items():
        if not target:
            yield from (f"::: {package}.{name}", "")
