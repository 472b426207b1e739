"""Checks at work on a round's updates outside of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address, seeded
from fedlens.core.registry import build, name_of
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.distance_ranges import measure_distances, plain_ranges
from fedlens.defences.update_statistics import measure_histograms
from fedlens.runs.inspected import InspectedClient
from fedlens.runs.record import CheckRecord
from fedlens.simulation.engines.inspection import verdict_of

Checks: TypeAlias = Sequence[Detector | Mapping[str, Any] | str]
"""Each a check, its name, or a mapping with its name and options."""


def by_name(checks: Checks) -> dict[str, Detector]:
    """Return checks by their names; each may be given by its name, or with its options.

    Raises:
        ConfigError: there is no such check, two have the same name, or one needs samples, which nobody has here.
    """
    if isinstance(checks, str):
        raise ConfigError(f"checks: a list is needed; e.g. checks=[{checks!r}]")
    named: dict[str, Detector] = {}
    for given in checks:
        check: Detector = build("checks", given, Detector)
        name = name_of("checks", check)
        if check.validates:
            raise ConfigError(f"checks: {name} needs a validation set and the model, which updates do not bring along")
        if name in named:
            raise ConfigError(f"checks: {name} stands there twice; leave one of them")
        named[name] = check
    return named


def inspected(
    checks: Mapping[str, Detector], seen: Inspection, clients: Sequence[tuple[str, str | float | None]]
) -> list[InspectedClient]:
    """Return what is measured of each of a round's updates, and what each check says of it.

    Args:
        checks: by their names; those of others get copies, and may draw from the global generators.
        seen: the round, with buffers behind the parameters of weights and updates, if there are any.
        clients: who has sent each update, and on how many samples it says that it trained.

    Raises:
        ClientError: a check failed, or said something else than a verdict on each update.
    """
    if not clients:
        return []
    verdicts = _judged(checks, seen)
    numbers = _measured(seen.updates[:, : seen.layout.parameters.size])
    return [
        InspectedClient(client, "", examples, share, numbers[row], _of_row(verdicts, row))
        for row, ((client, examples), share) in enumerate(zip(clients, seen.alpha.tolist(), strict=True))
    ]


def shares(examples: Sequence[float | None]) -> Tensor:
    """Return the weights (``[n]``, float64) of a mean by numbers of samples; equal ones unless all are told."""
    told = torch.tensor([-1.0 if count is None else count for count in examples], dtype=torch.float64)
    usable = bool((told.isfinite() & (told >= 0)).all()) and float(told.sum()) > 0
    return told / told.sum() if usable else torch.full((len(told),), 1 / max(len(told), 1), dtype=torch.float64)


def _judged(checks: Mapping[str, Detector], seen: Inspection) -> dict[str, Verdict]:
    verdicts = {}
    for name, check in checks.items():
        shown = seen if check.sees_buffers else _parameters(seen)
        if is_custom(check):
            with seeded(Address.root(0).at("check", name, seen.round)):
                verdicts[name] = copy_tensors(verdict_of(name, check, copy_tensors(shown)))
        else:
            verdicts[name] = verdict_of(name, check, shown)
    return verdicts


def _of_row(verdicts: Mapping[str, Verdict], row: int) -> dict[str, CheckRecord]:
    return {
        name: CheckRecord(
            float(verdict.scores[row]),
            bool(verdict.flagged[row]),
            {detail: entries[row] for detail, entries in verdict.details.items()},
        )
        for name, verdict in verdicts.items()
    }


def _measured(updates: Tensor) -> list[dict[str, float | list[float]]]:
    ranges = [plain_ranges(side) for side in measure_distances(updates)]
    lengths = [float(torch.linalg.vector_norm(update, dtype=torch.float64)) for update in updates]  # copies one row
    numbers = zip(lengths, measure_histograms(updates).wasserstein.tolist(), *ranges, strict=True)
    return [
        {"norm": norm, "wasserstein": moved, "range": own, "others": others} for norm, moved, own, others in numbers
    ]


def _parameters(seen: Inspection) -> Inspection:
    layout: Layout = seen.layout.parameters
    return replace(seen, weights=seen.weights[: layout.size], updates=seen.updates[:, : layout.size], layout=layout)
