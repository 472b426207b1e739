"""The public API is closed: whatever a public signature names is public itself, and in the reference."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from docs_options import KINDS, kind_page
from docs_python import python_page
from helpers.public import public, types_of

from fedlens.core.registry import known, resolve
from fedlens.experiment import Cell
from fedlens.simulation import Event

PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_type_in_a_public_signature_is_public(name: str) -> None:
    known_ids = set(map(id, PUBLIC.values()))
    ours = [(where, kind) for where, kind in types_of(PUBLIC[name]) if _module(kind).startswith("fedlens.")]
    assert [(where, kind) for where, kind in ours if id(kind) not in known_ids] == []


def test_types_are_found_wherever_they_stand() -> None:
    @dataclass
    class Example:
        field: "dict[str, list[Cell]] | None"
        _private: Event

        @property
        def shown(self) -> tuple[Event, ...]:
            return ()

        def method(self, given: Callable[[Cell], Literal["a"]]) -> None: ...

    Example.shown.fget.__module__ = Example.method.__module__ = "fedlens.example"  # type: ignore[attr-defined]
    found = [(where, kind) for where, kind in types_of(Example) if kind in {Cell, Event}]
    assert sorted(found, key=str) == [("field", Cell), ("method: given", Cell), ("shown: return", Event)]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_the_reference(name: str) -> None:
    page = "\n".join(python_page())
    if f"\n::: {name}\n" not in page:
        link = _components()[PUBLIC[name]]
        assert f"[`{PUBLIC[name].__name__}`]({link[0]}.md#{link[1]})" in page
        assert f"{{ #{link[1]} }}" in "\n".join(kind_page(link[2]))


def _components() -> dict[Any, tuple[str, str, str]]:
    """The page, anchor and kind of every component by its class."""
    return {resolve(kind, name): (page, name, kind) for kind, (page, *_) in KINDS.items() for name in known(kind)}


def _module(kind: Any) -> str:
    return str(getattr(kind, "__module__", ""))
