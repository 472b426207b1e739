"""Small runs that have every attack, rule, check, engine and estimate between them, and what they gave.

``python tests/pinned.py`` writes `FILE` anew; do that only where numbers are meant to change, raise
`fedlens.core.numerics.BITS` with them, and say so in the changelog.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from small import Convolutions, small

import fedlens
from fedlens.core.numerics import BITS
from fedlens.experiment.experiment import Experiment
from fedlens.runs.reading import read_starts

FILE = Path(__file__).with_name("pinned.json")

ALL = ["accuracy", "statistics", "distances"]
ALTERNATING = {"name": "alternating-minimisation", "epochs": 2, "ls": 2}
RECORDED = ("round", "cohort", "attacker", "shares", "checks", "rejected", "skipped", "quality", "target", "malicious")
RECORDED += ("attack", "control")
"""What records had when the file was written; whatever they have come to have since is left out."""

RUNS: dict[str, dict[str, Any]] = {
    "explicit": {"checks": ALL, "validation": 100},
    "implicit": {
        "attack": {"name": "implicit-boosting", "step_cap": 105},
        "model": Convolutions(),
        "engine": "processes",
    },
    "simultaneous": {"attack": "simultaneous-training", "engine": "vectorised"},
    "constrained": {"attack": {**ALTERNATING, "constraint": {"reference": "self"}, "weights_only": True}},
    "variant": {"attack": {**ALTERNATING, "evaluate_at": "global"}},
    "malicious-first": {
        "attack": {
            **ALTERNATING,
            "order": "malicious-first",
            "malicious_steps": 3,
            "estimate": "pre",
            "constraint": {"reference": "others", "norm": "wasserstein"},
        },
    },
    "post": {
        "attack": {"name": "explicit-boosting", "estimate": "post", "step_cap": 105},
        "fraction": 0.75,
        "rounds": 5,
    },
    "krum": {"attack": {**ALTERNATING, "boost": 2}, "aggregation": {"name": "krum", "f": 1}, "clients": 6},
    "krum-authors": {"attack": "data-poisoning", "aggregation": {"name": "krum-authors", "f": 1}, "clients": 6},
    "multi-krum": {
        "attack": "honest",
        "aggregation": {"name": "multi-krum", "f": 1},
        "clients": 6,
        "engine": "vectorised",
    },
    "median": {
        "attack": {**ALTERNATING, "boost": 2, "constraint": {"reference": "global", "norm": "total-variation"}},
        "aggregation": "median",
    },
    "trimmed-mean": {
        "attack": {"name": "explicit-boosting", "boost": 3, "objective": "untargeted", "step_cap": 105},
        "aggregation": {"name": "trimmed-mean", "f": 1},
        "partition": {"name": "dirichlet", "alpha": 1},
        "clients": 6,
    },
    "geometric-median": {
        "attack": {"name": "explicit-boosting", "boost": 2, "delay": 2, "step_cap": 105},
        "aggregation": "geometric-median",
        "checks": [{"name": "distances", "action": "reject"}],
        "clients": 6,
    },
    "bulyan": {
        "attack": "data-poisoning",
        "aggregation": {"name": "bulyan", "f": 1},
        "clients": 8,
        "target": {"r": 3, "select": "random"},
    },
    "norm-clipping": {
        "attack": "explicit-boosting",
        "aggregation": {"name": "norm-clipping", "max_norm": 2, "noise": 0.01},
    },
    "sgd": {"local": {"epochs": 1, "batch_size": 50, "optimizer": "sgd", "learning_rate": 0.1}, "control": False},
}


def experiment(name: str) -> tuple[Experiment, str]:
    """One of them, and by which engine it is run."""
    values = {"control": True, "target": {"select": "random"}, **RUNS[name]}
    engine = values.pop("engine", "serial")
    return small(**values), engine


def played(name: str, folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """What its bits depend on, and what it gave: a digest of records and weights, and numbers of its first round."""
    made, engine = experiment(name)
    run = fedlens.run(made, folder / name, engine=engine, workers=2 if engine == "processes" else None)  # type: ignore[arg-type]
    digest = hashlib.sha256()
    for record in run.records:
        digest.update(json.dumps({name: record.by_old_keys()[name] for name in RECORDED}, sort_keys=True).encode())
    digest.update(run.weights().numpy().tobytes())
    first = run.records[0]
    numbers = {"accuracy": first.quality.accuracy, "loss": first.quality.loss}
    gave = {"identity": made.identity(), "digest": digest.hexdigest()[:32], "first": numbers}
    return read_starts(run.path)[-1].numerics, gave


def of_machine(numerics: Mapping[str, str]) -> dict[str, str]:
    """What bits depend on besides fedlens itself: its version tells nothing of them, for `BITS` does."""
    return {name: value for name, value in numerics.items() if name != "fedlens"}


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        found = {name: played(name, Path(folder)) for name in RUNS}
    content: dict[str, Any] = {name: {"numerics": numerics, **gave} for name, (numerics, gave) in found.items()}
    content["bits"] = BITS
    FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
