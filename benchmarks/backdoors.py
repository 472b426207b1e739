"""What planting a backdoor costs beside honest training: ``python benchmarks/backdoors.py``.

Every preset of digits whose attackers train is played for a few rounds in one process, attacked from the first on. An
attacker's turn is all that the attackers' jobs take in a round, by the number of attackers; an honest client's turn is
the median of the others' in the same round. Both train as long as the preset says.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table
from turns import median_and_range, spread

from fedlens.experiment.experiment import Experiment
from fedlens.experiment.presets import listed, presets
from fedlens.simulation import simulate
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.team_job import TeamJob

HONEST, MALICIOUS = "honest", "malicious"
JOBS: dict[Any, str] = {HonestJob: HONEST, MaliciousJob: MALICIOUS, TeamJob: MALICIOUS}


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=6, help="how many rounds are played, the first not counted")
    parser.add_argument("--quick", action="store_true", help="two rounds, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, machine = new_console(), describe_machine()
    console.print(in_words(machine), soft_wrap=True)
    rounds = 2 if options.quick else options.rounds
    backdoors = [name for name in listed() if name.endswith("-digits") and "goal" in presets()[name].values]
    results = {name: measure(name, rounds) for name in backdoors}
    console.print(as_table(results))
    if options.json is not None:
        write_json(options.json, {"machine": machine, "threads": 1, "quick": options.quick, "presets": results})
    return 0


def measure(preset: str, rounds: int) -> dict[str, Any]:
    """Seconds of an honest client's and an attacker's turn in each round but the first, and their ratios."""
    values = presets()[preset].values
    described = Experiment.model_validate(values | {"rounds": rounds, "control": False}).describe()
    attack = described["attack"] | {"delay": 1, "until": None}
    experiment = Experiment.model_validate(described | {"attack": attack})
    seconds: dict[str, dict[int, list[float]]] = {HONEST: defaultdict(list), MALICIOUS: defaultdict(list)}
    with timed(seconds):
        for result in simulate(experiment, engine="serial"):
            attackers = len(result.record.attackers)
    counted = range(2, rounds + 1)
    honest = [median(seconds[HONEST][number]) for number in counted]
    malicious = [sum(seconds[MALICIOUS][number]) / attackers for number in counted]
    ratios = [mine / others for mine, others in zip(malicious, honest, strict=True)]
    return {
        "attackers": attackers,
        "honest": median(honest),
        "malicious": median(malicious),
        "ratio": spread(ratios),
    }


@contextmanager
def timed(seconds: dict[str, dict[int, list[float]]]) -> Iterator[None]:
    """Note what every job of clients takes, by its round."""
    plain = {job: job.run for job in JOBS}

    def run(job: Any, context: Any) -> Any:
        began = time.perf_counter()
        found = plain[type(job)](job, context)
        number = job.members[0].round if isinstance(job, TeamJob) else job.round
        seconds[JOBS[type(job)]][number].append(time.perf_counter() - began)
        return found

    for job in JOBS:
        job.run = run
    try:
        yield
    finally:
        for job, method in plain.items():
            job.run = method


def as_table(results: dict[str, dict[str, Any]]) -> Table:
    """The table."""
    table = Table("preset", caption="ratio: an attacker's turn by an honest client's in the same round, median")
    for heading in ("attackers", "honest client, s", "attacker, s", "ratio", "min–max"):
        table.add_column(heading, justify="right")
    for name, row in results.items():
        seconds = (f"{row[what]:.3f}" for what in (HONEST, MALICIOUS))
        table.add_row(name, str(row["attackers"]), *seconds, *median_and_range(row["ratio"], 2))
    return table


if __name__ == "__main__":
    sys.exit(main())
