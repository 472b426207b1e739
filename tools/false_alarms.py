"""How often each filter and check flags an honest client where nobody attacks: ``docs/zoo/false_alarms.yaml``.

``python tools/false_alarms.py`` measures all anew, which takes some minutes. All filters of a run only
observe, so that they see the same updates, those of plain averaging; what a filter's own rejections would lead to is
not measured. Their options are the defaults, and `DIFFERENT` where there is none or the default takes hours.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from docs_alarms import FILE, Alarms

from fedlens import Experiment, simulate
from fedlens.core.registry import BUILT_IN, resolve
from fedlens.defences.filter import Filter
from fedlens.runs.record import RoundRecord

DOCS = Path(__file__).parents[1] / "docs"
SEEDS = (0, 1, 2)
PARTITIONS: Mapping[str, Any] = {"iid": "iid", "Dirichlet(0.5)": {"name": "dirichlet", "alpha": 0.5}}
DIFFERENT: Mapping[str, Mapping[str, Any]] = {"dnc": {"f": 2}, "deepsight-filter": {"inputs": 2000}}
FIRST = {"fldetector": 50}
"""The first round in which it judges."""
ALONE: Mapping[str, int] = {"deepsight-filter": 10, "fldetector": 54}
"""Rounds of those that get runs of their own: one because it is slow, one because it needs more rounds."""
ROUNDS = 10
CLEAN = {
    "data": "digits",
    "clients": 10,
    "local": {"epochs": 2, "batch_size": 20, "learning_rate": 0.003},
}


def filters() -> Iterator[str]:
    """Yield the filters among the built-in stages."""
    yield from (name for name in BUILT_IN["stage"] if issubclass(resolve("stage", name), Filter))


def measure(stages: Sequence[str], checks: Sequence[str], rounds: int) -> Iterator[Alarms]:
    """Yield what these flagged in clean runs."""
    chain = [{"name": name, "action": "observe", **DIFFERENT.get(name, {})} for name in stages]
    for words, partition in PARTITIONS.items():
        records: list[RoundRecord] = []
        for seed in SEEDS:
            clean = {**CLEAN, "partition": partition, "rounds": rounds, "seed": seed}
            experiment = Experiment.model_validate({**clean, "aggregation": [*chain, "mean"], "checks": list(checks)})
            records += [result.record for result in simulate(experiment)]
        for name in (*stages, *checks):
            yield _counted(name, words, rounds, records)


def _counted(name: str, partition: str, rounds: int, records: Sequence[RoundRecord]) -> Alarms:
    first = FIRST.get(name, 1)
    seen = [
        client.checks[name].flagged
        for record, client in ((record, client) for record in records for client in record.clients)
        if record.round >= first and name in client.checks
    ]
    return Alarms(
        method=name,
        options=dict(DIFFERENT.get(name, {})),
        partition=partition,
        rounds=rounds,
        first=first,
        seeds=len(SEEDS),
        judged=len(seen),
        flagged=sum(seen),
    )


def main() -> None:
    """Write the file."""
    found = list(measure([name for name in filters() if name not in ALONE], list(BUILT_IN["checks"]), ROUNDS))
    for name, rounds in ALONE.items():
        found += measure([name], (), rounds)
    write(found)


def write(found: Sequence[Alarms]) -> None:
    """Write what was measured."""
    lines = [one.model_dump() for one in found]
    (DOCS / FILE).write_text(yaml.safe_dump(lines, sort_keys=False, default_flow_style=None, width=200), "utf-8")


if __name__ == "__main__":
    main()
