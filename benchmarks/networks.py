"""ResNet-18 on 32 × 32 pixels and the character LSTM against a bare loop: ``python benchmarks/networks.py``.

Steps of local training on one thread, of made-up inputs of the data's shape and type: fedlens' `train`, with its flat
vector and its addressed batches, and the loop that one would write by hand, with PyTorch's own SGD and in its default
memory format. Both begin anew from the same weights in each turn.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bare import flatten, load
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table
from torch import Tensor, nn
from turns import in_turns, median_and_range, ratio, spread

from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.char_lstm import CharLstm
from fedlens.models.model import Model
from fedlens.models.network import Network, build
from fedlens.models.resnet import ResNet18
from fedlens.training.local import LocalTraining, train

NETWORKS: Mapping[str, tuple[Model, tuple[int, ...], int]] = {
    "resnet18, group norm, 3 × 32 × 32": (ResNet18(), (3, 32, 32), 10),
    "resnet18, batch norm, 3 × 32 × 32": (ResNet18(norm="batch"), (3, 32, 32), 10),
    "char-lstm, 80 characters": (CharLstm(), (80,), 80),
}
"""The models, the shape of an input, and the number of classes."""

BATCH, STEPS, LEARNING_RATE = 16, 10, 0.01


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="how often everything is timed (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one step of two samples, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, machine = new_console(), describe_machine()
    turns, batch, steps = (1, 2, 1) if options.quick else (options.turns, BATCH, STEPS)
    seconds = {name: measure(name, turns, batch, steps) for name in NETWORKS}
    console.print(in_words(machine), soft_wrap=True)
    console.print(as_table(seconds, f"{steps} steps of {batch} samples, SGD, 1 thread"))
    if options.json is not None:
        values: dict[str, Any] = {"machine": machine, "quick": options.quick, "seconds": seconds}
        write_json(options.json, values)
    return 0


def measure(name: str, turns: int, batch: int, steps: int) -> dict[str, list[float]]:
    """Seconds of fedlens and of the bare loop."""
    model, shape, classes = NETWORKS[name]
    samples = made_up(shape, classes, batch * steps)
    address = Address.root(0)
    network, module = Network(build(model, shape, classes, address)), build(model, shape, classes, address)
    contenders: dict[str, Callable[[], object]] = {
        "bare": partial(by_hand, module, flatten(module), samples, batch),
        "fedlens": partial(ours, network, network.state(), samples, batch),
    }
    return in_turns(contenders, turns, lambda what: print(f"{name}: {what}", file=sys.stderr, flush=True))


def made_up(shape: tuple[int, ...], classes: int, count: int) -> Samples:
    """Random pixels, or characters where an input is a sequence, and classes."""
    generator = torch.Generator().manual_seed(0)
    if len(shape) == 1:
        x = torch.randint(classes, (count, *shape), generator=generator)
    else:
        x = torch.randn(count, *shape, generator=generator)
    return Samples(x, torch.randint(classes, (count,), generator=generator))


def ours(network: Network, weights: Tensor, samples: Samples, batch: int) -> Tensor:
    """Train as a client of fedlens does."""
    plan = LocalTraining(epochs=1, batch_size=batch, optimizer="sgd", learning_rate=LEARNING_RATE)
    return train(network, weights, samples, plan, Address.root(1))


def by_hand(module: nn.Module, weights: Tensor, samples: Samples, batch: int) -> Tensor:
    """Train from these weights as one would by hand; the trained ones."""
    load(module, weights)
    optimizer = torch.optim.SGD(module.parameters(), lr=LEARNING_RATE)
    module.train()
    for indices in torch.split(torch.randperm(len(samples)), batch):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(samples.x[indices]), samples.y[indices]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return flatten(module)


def as_table(seconds: Mapping[str, Mapping[str, list[float]]], title: str) -> Table:
    """The table; a ratio is the median over turns of the time divided by the bare loop's in the same turn."""
    table = Table("network", "by", "seconds", "min–max", "÷ bare", title=title, title_justify="left")
    for name, by in seconds.items():
        for index, (contender, times) in enumerate(by.items()):
            row = *median_and_range(spread(times)), f"{ratio(times, by['bare']):.2f}"
            table.add_row("" if index else name, contender, *row)
    return table


if __name__ == "__main__":
    sys.exit(main())
