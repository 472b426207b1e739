"""Sweeps whose every value is known, because they were never played."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

Measure = Callable[[Mapping[str, Any]], dict[str, Any]]


def confidence(row: Mapping[str, Any]) -> dict[str, Any]:
    """Attack 0.1 · round + 0.01 · seed, and 0.05 beside it."""
    return {"confidence": 0.1 * row["round"] + 0.01 * row["seed"], "control_confidence": 0.05}


def beside_both(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same, and 0.02 · round with the client absent, but not under the mean."""
    placebo = None if row.get("aggregation") == "mean" else 0.02 * row["round"]
    return confidence(row) | {"placebo_confidence": placebo}


def sweep(
    path: Path,
    fields: Mapping[str, Iterable[Any]],
    measure: Measure = confidence,
    seeds: int = 2,
    targets: int = 2,
    rounds: int = 3,
) -> Path:
    """A sweep's directory with a table: every combination of `fields`, seeds and targets, measured by `measure`."""
    rows = []
    for values in product(*fields.values(), range(seeds), range(targets)):
        head = dict(zip([*fields, "seed", "target.draw"], values, strict=True))
        cell = hashlib.blake2b(f"{path.name} {values}".encode(), digest_size=16).hexdigest()
        head = {"cell": cell, **head, "target_index": f"{100 * head['seed'] + head['target.draw']}"}
        for round_ in range(1, rounds + 1):
            row = {**head, "round": round_, "attacker": True, "attack_reason": None}
            rows.append(row | measure(row))
    path.mkdir()
    pd.DataFrame(rows).to_parquet(path / "rounds.parquet", index=False)
    return path


REASON, REMEDY = "without attack, nothing is right", "take any samples, right or not: -o target.select=random"


def leave_unjudged(path: Path, cells: Iterable[Mapping[str, Any]], reason: str = REASON) -> None:
    """Note that the sweep in `path` has cells with these values, too, that cannot be judged."""
    found = [
        {
            "cell": hashlib.blake2b(f"{path.name} {values}".encode(), digest_size=16).hexdigest(),
            "values": values,
            "reason": reason,
            "remedies": [REMEDY],
        }
        for values in cells
    ]
    (path / "unjudged.json").write_text(json.dumps(found))
