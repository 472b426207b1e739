"""Memory that many clients take beyond the data: ``python benchmarks/memory.py``.

100,000 samples of 20 measures, each of an owner, dealt by the natural partition to 100 clients and to 10,000, of whom
10 are chosen in each of two rounds; each in a process of its own. The number is the greatest resident memory beyond
that before the experiment was prepared, data included. Only the data should matter.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import psutil
import torch
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table

from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.groups import Groups
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.simulation.engines import choose_engine
from fedlens.simulation.rounds import federate

SAMPLES, WIDTH, COHORT, ROUNDS = 100_000, 20, 10, 2
CLIENTS = (100, 10_000)


class Owned(Data):
    """Random measures of two classes, dealt to as many owners as are asked for, in turn.

    Attributes:
        owners: how many.
        samples: how many there are to train on.
    """

    owners: int
    samples: int

    def load(self, directory: Path | None = None) -> Dataset:  # noqa: ARG002 - it reads no files
        """Draw them."""
        x = torch.randn(self.samples, WIDTH, generator=torch.Generator().manual_seed(0))
        train = Samples(x, (x[:, 0] > 0).long())
        groups = Groups(tuple(map(str, range(self.owners))), torch.arange(self.samples) % self.owners)
        return Dataset(train=train, test=Samples(x[:100], train.y[:100]), classes=("low", "high"), groups=groups)


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, help="print the bytes that so many clients take, and no more")
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    if options.clients is not None:
        print(beyond(options.clients))
        return 0
    taken = {clients: alone(clients) for clients in CLIENTS}
    console, machine = new_console(), describe_machine()
    console.print(in_words(machine), soft_wrap=True)
    table = Table("clients, natural partition of 100,000 samples", "MB", "ratio")
    for clients, size in taken.items():
        table.add_row(f"{clients:,}", f"{size / 1e6:.0f}", f"{size / taken[CLIENTS[0]]:.2f}")
    console.print(table)
    if options.json is not None:
        write_json(options.json, {"machine": machine, "quick": options.quick, "bytes": taken})
    return 0


def alone(clients: int) -> int:
    """What `beyond` is in a process of its own."""
    command = [sys.executable, __file__, "--clients", str(clients)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def beyond(clients: int) -> int:
    """The greatest memory, in bytes, of a run with so many clients, beyond that before it was prepared."""
    torch.set_num_threads(1)
    play(COHORT, 1000)  # what is imported or set up once is there afterwards
    before = psutil.Process().memory_info().rss
    return play(clients, SAMPLES) - before


def play(clients: int, samples: int) -> int:
    """Play the rounds; the greatest memory, in bytes, after any of them."""
    data = Owned(owners=clients, samples=samples)
    values = {"data": data, "partition": "natural", "clients": clients, "model": "census-mlp"}
    plan = {"fraction": COHORT / clients, "rounds": ROUNDS, "local": {"steps": 2, "batch_size": 10}}
    setting = prepare(Experiment.model_validate({**values, **plan}))
    with choose_engine("serial", None, setting).make() as engine:
        return max(psutil.Process().memory_info().rss for _ in federate(setting, engine))


if __name__ == "__main__":
    sys.exit(main())
