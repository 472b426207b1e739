"""Experiments that come with the package: a YAML file each, and ``figures.yaml`` for those of the paper's figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from fedlens.parsing import parse_yaml

Scale = Literal["quick", "paper"]

FIGURES = "figures"
CHECKS = ["statistics", "distances"]
"""What the figures are drawn from."""


@dataclass(frozen=True)
class Preset:
    """An experiment that comes with the package.

    Attributes:
        values: options and their values, as YAML has them.
        claims: what the paper says of it, by the claim's number.
        minutes: what it costs on 2 cores, without its benign twin.
        full: the name of the same at the paper's own scale, where there is one.
    """

    values: dict[str, Any]
    claims: Mapping[str, str] = field(default_factory=dict)
    minutes: float | None = None
    full: str | None = None


@cache
def presets() -> dict[str, Preset]:
    """The presets by name: those with a file of their own, then the figures'."""
    folder = files(__name__)
    texts = {
        item.name.removesuffix(".yaml"): item.read_text("utf-8") for item in folder.iterdir() if ".yaml" in item.name
    }
    figures = parse_yaml(texts.pop(FIGURES), FIGURES)
    found = {name: Preset(parse_yaml(texts[name], name)) for name in sorted(texts)}
    for name in figures["panels"]:
        full = f"{name}-paper"
        found |= {name: _panel(figures, name, "quick", name, full), full: _panel(figures, name, "paper", full, None)}
    return found


def _panel(figures: dict[str, Any], panel_name: str, scale: Scale, name: str, full: str | None) -> Preset:
    """A panel of one of the paper's figures at a scale, as a preset called `name`."""
    panel = figures["panels"][panel_name]
    shared = figures["panels"][panel.get("like", panel_name)]
    setting = figures["settings"][shared["setting"]]
    values = merged(merged(setting[scale], {**shared["values"], "checks": CHECKS}), shared.get(scale, {}))
    head = {"name": name, "about": f"{setting['about']}: {panel['about']}"}
    claims = {number: figures["claims"][number] for number in panel["claim"]}
    return Preset({**head, **values}, claims, shared["cost"][scale], full)


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with `changes` put in their places, mappings within mappings too."""
    inner = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return values | changes | inner
