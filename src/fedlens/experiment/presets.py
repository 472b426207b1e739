"""Experiments that come with the package: a YAML file each, and ``figures.yaml`` for those of the paper's figures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

from fedlens.core.parsing import parse_yaml

Scale = Literal["quick", "paper-10", "paper"]
"""Small models and few epochs; the paper's model, data and E for ten rounds; the same for as many as the paper's."""

SCALES: tuple[Scale, ...] = get_args(Scale)

FIGURES = "figures"


@dataclass(frozen=True)
class Preset:
    """An experiment that comes with the package.

    Attributes:
        values: options and their values, as YAML has them.
        claims: what the paper says of it, by the claim's number.
        minutes: what it costs on 2 cores, without its controls.
        scales: of a panel of the paper's figures, the presets of the same at each scale that it has, itself included.
        negative: the panel in whose place it puts what has no effect, and by which attack; ``None`` for most.
    """

    values: dict[str, Any]
    claims: Mapping[str, str] = field(default_factory=dict)
    minutes: float | None = None
    scales: Mapping[Scale, str] = field(default_factory=dict)
    negative: tuple[str, str] | None = None


@cache
def presets() -> dict[str, Preset]:
    """Return the presets by name: those with a file of their own, then the figures'."""
    folder = files(__package__ or "") / "files"
    texts = {
        item.name.removesuffix(".yaml"): item.read_text("utf-8") for item in folder.iterdir() if ".yaml" in item.name
    }
    figures = parse_yaml(texts.pop(FIGURES), FIGURES)
    by_name = {name: Preset(parse_yaml(texts[name], name)) for name in sorted(texts)}
    for name, panel in figures["panels"].items():
        by_name |= dict(_at_each_scale(figures, name, panel))
    for kind, attack in figures["negative"].items():
        for of in figures["negative-of"]:
            panel = {**figures["panels"][of], "attack": attack, "about": f"{kind}, in the place of {of}'s attack"}
            by_name |= dict(_at_each_scale(figures, f"{kind}-{of}", panel, (of, kind)))
    return by_name


def listed() -> list[str]:
    """Return the names that a list of presets has: not those of other scales, nor of negative controls."""
    every = presets().items()
    return [name for name, preset in every if name == preset.scales.get("quick", name) and preset.negative is None]


@cache
def order(scale: Scale) -> tuple[str, ...]:
    """Return the panels that run first at a scale whose runs take long, in order; none where the dearest run first."""
    figures = parse_yaml((files(__package__ or "") / "files" / f"{FIGURES}.yaml").read_text("utf-8"), FIGURES)
    return tuple(figures["order"].get(scale, ()))


def _at_each_scale(
    figures: dict[str, Any], name: str, panel: dict[str, Any], negative: tuple[str, str] | None = None
) -> Iterator[tuple[str, Preset]]:
    """Yield a panel of one of the paper's figures as a preset for each scale that its setting has, by their names."""
    shared = figures["panels"][panel["like"]] if "like" in panel else panel
    setting = figures["settings"][shared["setting"]]
    scales = {scale: name if scale == "quick" else f"{name}-{scale}" for scale in SCALES if scale in setting}
    claims = {number: figures["claims"][number] for number in panel["claim"]}
    for scale, full in scales.items():
        values = merged(setting[scale], shared["values"])
        for changes in (shared, panel):
            values = merged(values, changes.get(scale, {}))
        head = {"name": full, "about": f"{setting['about']}: {panel['about']}"}
        attack = {"attack": panel["attack"]} if "attack" in panel else {}
        yield full, Preset({**head, **values, **attack}, claims, shared["cost"][scale], scales, negative)


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `values` updated by `changes`, nested mappings too."""
    inner = {
        key: merged(values[key], change)
        for key, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(key), dict)
    }
    return values | changes | inner
