"""A picture of what a method does to a toy round: ten updates of two entries, two of them an attacker's."""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from torch import nn

from fedlens.attacks.attack import Attack
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.core.suggest import example
from fedlens.defences.chain import Chain
from fedlens.defences.server_step import Step, server_step
from fedlens.defences.stage import Server, Updates
from fedlens.studies.conformance.case import Value
from fedlens.studies.conformance.crafting import ATTACKS, crafted
from fedlens.studies.conformance.reference import fields_of, method

ATTACKERS = 2
SIZE, MARGIN, RADIUS = 300, 16, 5.0


def toy_round(name: str) -> np.ndarray:
    """Return the updates, shape ``[10, 2]``; the attackers' come last, and are made by `name` if that is an attack."""
    generator = np.random.default_rng(7)
    honest = np.array([1.0, 0.6]) + 0.35 * generator.normal(size=(10 - ATTACKERS, 2))
    if isinstance(attack := method(name, options(name)), Attack):
        return np.vstack([honest, crafted(attack, honest, ATTACKERS).repeat(ATTACKERS, axis=0)])
    attacking = np.array([-1.6, -0.9]) + 0.08 * generator.normal(size=(ATTACKERS, 2))
    return np.vstack([honest, attacking])


def options(name: str) -> dict[str, Value]:
    """Return the options that a method is drawn with: it is told of both attackers; else its defaults, or examples."""
    fields = fields_of(name)
    given = {option: example(field) for option, field in fields.items() if field.is_required()}
    return {**given, **({"f": ATTACKERS} if "f" in fields else {})}


@cache
def toy_step(name: str) -> Step:
    """Return what a server makes of the toy round by this method, and by the mean where it is no rule."""
    built = method(name, options(name))
    chain = Chain.of("mean" if isinstance(built, Attack) else built)
    rows = torch.from_numpy(toy_round(name))
    layout = Layout.of(nn.Linear(2, 1, bias=False))
    updates = Updates.received(rows, torch.full((len(rows),), 1 / len(rows), dtype=torch.float64))
    root = torch.tensor([1.0, 0.6], dtype=rows.dtype)
    server = Server(1, torch.zeros(2), layout, tuple(range(len(rows))), Address.root(0), root)
    return server_step(chain.whole, updates, server, [stage.init(layout) for stage in chain.whole])


def picture(name: str) -> Iterator[str]:
    """Yield the lines of a picture, in SVG: dots as large as the updates' effective weights, and the step taken."""
    rows, step = toy_round(name), toy_step(name)
    weights = None if step.effective_weights is None else step.effective_weights.numpy()
    taken = step.update.numpy()
    points = np.vstack([rows, taken[None], np.zeros((1, 2))])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIZE - 2 * MARGIN) / float((high - low).max())

    def at(point: np.ndarray) -> tuple[float, float]:
        x, y = MARGIN + (point - low) * scale
        return round(float(x), 1), round(SIZE - float(y), 1)

    yield f'<svg viewBox="0 0 {SIZE} {SIZE}" width="{SIZE}" role="img" aria-label="{_words(name, weights)}">'
    x, y = at(np.zeros(2))
    yield f'<path d="M{x - 6} {y}H{x + 6}M{x} {y - 6}V{y + 6}" stroke="currentColor" opacity="0.5"/>'
    for index, row in enumerate(rows):
        x, y = at(row)
        colour = "#c4320a" if index >= len(rows) - ATTACKERS else "#1f6feb"
        yield f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="none" stroke="{colour}"/>'
        weight = 0.0 if weights is None else abs(float(weights[index]))
        if weight > 0:
            radius = round(RADIUS * float(np.sqrt(weight * len(rows))), 1)
            yield f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}" fill-opacity="0.45"/>'
    x, y = at(taken)
    cross = f"M{x - 6} {y - 6}L{x + 6} {y + 6}M{x - 6} {y + 6}L{x + 6} {y - 6}"
    yield f'<path d="{cross}" stroke="currentColor" stroke-width="2.5"/>'
    yield "</svg>"
    yield ""


def caption(name: str) -> str:
    """Say what the picture shows."""
    step, given = toy_step(name), options(name)
    weights = step.effective_weights
    told = f" with {', '.join(f'`{option}: {value}`' for option, value in given.items())}" if given else ""
    attackers = (
        "no such weights exist" if weights is None else f"{float(weights[-ATTACKERS:].sum()):.2f} of it is theirs"
    )
    if step.skipped is not None:
        attackers = f"the round is skipped: {step.skipped}"
    rule = " under the mean" if name in ATTACKS else ""
    return (
        f"Ten updates of two entries, two of them (red) an attacker's{told}{rule}: rings are what was sent, discs "
        f"as large as the effective weights, the cross is the step that the server takes, the plus is no step; "
        f"{attackers}."
    )


def _words(name: str, weights: np.ndarray | None) -> str:
    share = "" if weights is None else f", {float(weights[-ATTACKERS:].sum()):.2f} of it the attackers'"
    return f"a round of ten updates under {name}{share}"


def drawable(name: str) -> bool:
    """Tell whether a method can do something with two entries that belong to one layer."""
    try:
        toy_step(name)
    except (ValueError, RuntimeError):
        return False
    return True
