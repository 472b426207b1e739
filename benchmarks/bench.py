"""Seconds per round of fedlens' engines, beside a bare training loop: ``python benchmarks/bench.py``.

All contenders of a workload run in the same minutes, a round of each in turn, after one round that warms up. The test
accuracy after the last round stands beside the time, so that nobody wins by doing less. The whole takes about ten
minutes on two cores; ``--quick`` plays one tiny round of everything, to see that it all still works.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from race import race
from report import RATIO, as_table, as_values, describe_machine, in_words
from rich.console import Console
from workloads import WORKLOADS

from fedlens.errors import ConfigError, DataError


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    options = parse()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    machine = describe_machine()
    results: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in options.workload or WORKLOADS:
        try:
            results[name] = measure(name, options.rounds, options.quick)
        except DataError as error:
            left_out[name] = str(error).splitlines()[0]
        except ConfigError as error:
            sys.exit(f"this machine cannot run the benchmark: {error}")
    console.print(in_words(machine), soft_wrap=True)
    if options.quick:
        console.print("quick: a small part of the data, one round; the times mean nothing")
    for name, reason in left_out.items():
        console.print(f"left out: {name}: {reason}", soft_wrap=True)
    if results:
        console.print(as_table(results))
    if options.json is not None:
        values = {
            "machine": machine,
            "ratio": RATIO,
            "quick": options.quick,
            "workloads": results,
            "left_out": left_out,
        }
        options.json.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if results else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="only this one; may be repeated")
    parser.add_argument("--rounds", type=positive, help="rounds to count (default: 5, of the large network 3)")
    parser.add_argument("--quick", action="store_true", help="one tiny round of everything, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    return parser.parse_args()


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def measure(name: str, rounds: int | None, quick: bool) -> dict[str, Any]:
    """Time a workload; what it is and how each contender did.

    Raises:
        ConfigError: this machine lacks what an engine needs.
        DataError: the data are not here and cannot be downloaded.
    """
    workload = WORKLOADS[name]
    counted = rounds or (1 if quick else workload.rounds)

    def tell(what: str) -> None:
        print(f"{name}: {what}", file=sys.stderr, flush=True)

    setting = workload.prepare(counted + 1, quick)
    return {"about": workload.about, "engines": [as_values(performance) for performance in race(setting, tell)]}


if __name__ == "__main__":
    sys.exit(main())
