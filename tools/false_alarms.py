"""How often each filter and check flags an honest client where nobody attacks: ``docs/zoo/false_alarms.yaml``.

``python tools/false_alarms.py`` measures all anew, which takes some minutes, and with names behind it only these. All
filters of a run only observe, so that they see the same updates, those of plain averaging; what a filter's own
rejections would lead to is not measured. Their options are the defaults, and `DIFFERENT` where there is none or the
default takes hours.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from docs_alarms import FILE, Alarms, measured

from fedlens import Experiment, simulate
from fedlens.core.registry import BUILT_IN, resolve
from fedlens.defences.filter import Filter
from fedlens.runs.record import RoundRecord

DOCS = Path(__file__).parents[1] / "docs"
SEEDS = (0, 1, 2)
PARTITIONS: Mapping[str, Any] = {"iid": "iid", "Dirichlet(0.5)": {"name": "dirichlet", "alpha": 0.5}}
DIFFERENT: Mapping[str, Mapping[str, Any]] = {
    "dnc": {"f": 2},
    "flanders": {"f": 2},
    "deepsight-filter": {"inputs": 2000},
}
FIRST = {"flanders": 3, "fldetector": 50}
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


def main(names: Collection[str]) -> None:
    """Write the file, or measure only these names, and leave the lines of others as they are."""
    every = [*filters(), *BUILT_IN["checks"]]
    if strange := set(names) - set(every):
        raise SystemExit(f"no filter or check: {', '.join(sorted(strange))}; there are {', '.join(every)}")
    wanted = [name for name in every if name in (names or every)]
    stages = [name for name in filters() if name in wanted and name not in ALONE]
    found = [one for one in measured(DOCS) if one.method not in wanted]
    found += measure(stages, [name for name in BUILT_IN["checks"] if name in wanted], ROUNDS)
    for name in ALONE:
        if name in wanted:
            found += measure([name], (), ALONE[name])
    write(found)


def write(found: Sequence[Alarms]) -> None:
    """Write what was measured."""
    lines = [one.model_dump() for one in found]
    (DOCS / FILE).write_text(yaml.safe_dump(lines, sort_keys=False, default_flow_style=None, width=200), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
