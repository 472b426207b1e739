"""What a round costs with many clients, of whom few are chosen: ``python benchmarks/scale.py``.

Census, a cohort of 10, 30 steps of 50 samples drawn with replacement, with 100 clients and with 10,000: a round of each
in turn. Only the cohort should matter.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from output import describe_machine, in_words, new_console, write_json
from rich.table import Table
from turns import in_turns, median_and_range, ratio, spread

from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining

COHORT = 10
CLIENTS = (100, 10_000)


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="rounds to count (default: 20)")
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    rounds = 1 if options.quick else options.rounds
    with ExitStack() as stack:
        contenders = {
            f"K = {clients:,}": partial(next, stack.enter_context(played(clients, rounds + 1))) for clients in CLIENTS
        }
        seconds = in_turns(contenders, rounds, partial(print, file=sys.stderr, flush=True), "round")
    console, machine = new_console(), describe_machine()
    console.print(in_words(machine), soft_wrap=True)
    first, *_ = seconds.values()
    table = Table("census, a cohort of 10", "s/round", "min–max", "ratio")
    for name, times in seconds.items():
        table.add_row(name, *median_and_range(spread(times)), f"{ratio(times, first):.2f}")
    console.print(table)
    if options.json is not None:
        values = {"machine": machine, "quick": options.quick, "seconds": seconds}
        write_json(options.json, values)
    return 0


@contextmanager
def played(clients: int, rounds: int) -> Iterator[Iterator[object]]:
    """The rounds of a federation of so many clients, on the engine that `auto` chooses."""
    local = LocalTraining(steps=30, batch_size=50, replacement=True)
    setting = prepare(Experiment(clients=clients, fraction=COHORT / clients, rounds=rounds, local=local))
    with choose_engine("auto", None, setting).make() as engine:
        yield federate(setting, engine)


if __name__ == "__main__":
    sys.exit(main())
