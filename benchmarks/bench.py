"""fedlens beside bare training loops and other frameworks: ``python benchmarks/bench.py``.

The first table has seconds per round. All contenders of a workload run in the same minutes, a block of rounds of each
in turn, after one block that warms up. The second table has whole jobs, each started from the shell. The test accuracy
after the last round stands beside every time, so that nobody wins by doing less.

The whole takes more than an hour on two cores; ``--quick`` plays one tiny round of everything, to see that it all still
works, with other frameworks on the first workload only, as they take long to start. Who is not installed is left out;
those with environments of their own (`peers`) without a word if it is ``--quick``.
"""

import argparse
import sys
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import jobs
import peers
from floor import operations, rate
from job_report import as_rows, as_table_of_jobs
from output import describe_machine, in_words, new_console, write_json
from race import FRAMEWORK, absent, played, race, taking_part
from report import RATIO, as_table, as_values
from rich.console import Console
from workloads import WORKLOADS

from fedlens.core.errors import ConfigError, DataError

Results = dict[str, Any]
"""By the name of a workload, what the tables and the JSON file say of it."""

PROCESSES = 2
"""On how many the floor is computed, as most contenders have so many."""

IMAGE = 3

INSTALL = {
    "flower": "in a virtual environment of its own, pip install -c benchmarks/constraints.txt -e '.[bench]'",
    "byzfl": "pip install --no-deps byzfl==0.0.11",
}


def main() -> int:
    """Measure, print the tables, and write them as JSON where that is asked for."""
    options = parse()
    console = new_console()
    missing = [name for name in absent() if name not in options.without]
    machine = describe_machine()
    try:
        rounds, whole, left_out = measure_all(options, {*missing, *options.without})
    except ConfigError as error:
        sys.exit(f"this machine cannot run the benchmark: {error}")
    values = {
        "machine": machine,
        "ratio": RATIO,
        "quick": options.quick,
        "workloads": rounds,
        "jobs": whole,
        "left_out": {name: why for name in missing if (why := reason(name, options.quick))} | left_out,
    }
    show(console, values)
    if options.json is not None:
        write_json(options.json, values)
    return 0 if rounds or whole else 1


def measure_all(options: argparse.Namespace, without: Set[str]) -> tuple[Results, Results, dict[str, str]]:
    """Rounds and whole jobs by the workload, and the workloads that were left out with the reason.

    Raises:
        ConfigError: this machine lacks what an engine needs.
    """
    rounds: Results = {}
    whole: Results = {}
    left_out: dict[str, str] = {}
    for name in options.workload or WORKLOADS:
        slow = set(FRAMEWORK.values()) if options.quick and rounds else set()
        try:
            if options.table != "jobs":
                rounds[name] = measure(name, options.rounds, options.quick, without | slow)
            if options.table != "rounds" and name in jobs_of(options.quick):
                whole[name] = measure_jobs(name, 1 if options.quick else options.repeats, options.quick, without)
        except DataError as error:
            left_out[name] = str(error).splitlines()[0]
    return rounds, whole, left_out


def reason(name: str, quick: bool) -> str | None:
    """Why a framework is left out; nothing to say where those with environments of their own are not expected."""
    if name in INSTALL:
        return f"not installed: {INSTALL[name]}"
    return None if quick else peers.why_absent(name)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="only this one; may be repeated")
    parser.add_argument("--table", choices=["rounds", "jobs"], help="only this one")
    parser.add_argument(
        "--without", action="append", default=[], choices=sorted(set(FRAMEWORK.values())), help="may be repeated"
    )
    parser.add_argument(
        "--rounds", type=positive, help="blocks of rounds to count (default: 5, of the larger networks 3 and 2)"
    )
    parser.add_argument("--repeats", type=positive, default=3, help="how often each job is done (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one tiny round of everything, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here, too")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def tell(what: str) -> None:
    """Say on standard error how far things are."""
    print(what, file=sys.stderr, flush=True)


def measure(name: str, rounds: int | None, quick: bool, without: Set[str]) -> dict[str, Any]:
    """Time the rounds of a workload; what it is and how each contender did.

    Raises:
        ConfigError: this machine lacks what an engine needs.
        DataError: the data are not here and cannot be downloaded.
    """
    workload = WORKLOADS[name]
    counted = rounds or (1 if quick else workload.rounds)
    block = 1 if quick else workload.block
    setting = workload.prepare(played(counted, block), quick)
    floor = {"operations": operations(setting), "rate": rate(), "processes": PROCESSES}
    performances = race(setting, taking_part(setting, without), counted, block, lambda what: tell(f"{name}: {what}"))
    return {
        "about": workload.about,
        "block": block,
        "floor": floor,
        "engines": [as_values(performance) for performance in performances],
    }


def jobs_of(quick: bool) -> list[str]:
    """The workloads on which whole jobs are done."""
    return list(jobs.ROUNDS)[: 1 if quick else None]


def measure_jobs(name: str, repeats: int, quick: bool, without: Set[str]) -> dict[str, Any]:
    """Time whole jobs on a workload; what they are and how each contender did.

    Raises:
        DataError: the data are not here and cannot be downloaded.
    """
    experiment = jobs.describe(name, quick)
    if len(experiment.data.load().shape) == IMAGE:
        without = {*without, *(name for name, peer in peers.ENVIRONMENTS.items() if peer.dense)}
    done = jobs.compare(experiment, repeats, without, lambda what: tell(f"{name}: {what}"))
    return {"about": WORKLOADS[name].about, "rounds": experiment.rounds, "contenders": as_rows(done)}


def show(console: Console, values: Mapping[str, Any]) -> None:
    """Print everything."""
    console.print(in_words(values["machine"]), soft_wrap=True)
    if values["quick"]:
        console.print("quick: a small part of the data, one round; the times mean nothing")
    for name, reason in values["left_out"].items():
        console.print(f"left out: {name}: {reason}", soft_wrap=True, markup=False)
    if values["workloads"]:
        console.print(as_table(values["workloads"]))
    if values["jobs"]:
        console.print(as_table_of_jobs(values["jobs"]))


if __name__ == "__main__":
    sys.exit(main())
