"""What an attack costs beyond its own local steps: ``python benchmarks/attacks.py``.

A malicious client's turn in one process, less its forward and backward passes and optimizer steps, timed by themselves
on batches of the same sizes; as a share of what an honest client's round takes. A constraint's term belongs to the
steps of the attack, but not to those of anybody else, so it is counted here.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table
from torch import Tensor
from turns import in_turns
from workloads import WORKLOADS

from fedlens.core.errors import DataError
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.models.network import Network
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import HonestJob, MaliciousJob
from fedlens.simulation.engines.memory import keep_memory
from fedlens.training.local import batches

ALTERNATING = "alternating-minimisation"
ATTACKS: Mapping[str, Any] = {name: name for name in (
    "explicit-boosting", "implicit-boosting", "simultaneous-training", ALTERNATING, "data-poisoning"
)} | {
    f"{ALTERNATING}, {norm}": {"name": ALTERNATING, "constraint": {"norm": norm}}
    for norm in ("l2", "wasserstein", "total-variation")
}  # fmt: skip
ON = ("census-10", "fashion-small")


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="how often everything is timed (default: 3)")
    parser.add_argument("--workload", action="append", choices=ON, help="default: the first; may be repeated")
    parser.add_argument("--quick", action="store_true", help="once, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    console, machine = new_console(), describe_machine()
    results: dict[str, Any] = {}
    for name in options.workload or ON[:1]:
        try:
            results[name] = measure(name, 1 if options.quick else options.turns)
        except DataError as error:
            console.print(f"left out: {name}: {str(error).splitlines()[0]}", soft_wrap=True, markup=False)
    console.print(in_words(machine), soft_wrap=True)
    console.print(as_table(results))
    if options.json is not None:
        values = {"machine": machine, "quick": options.quick, "workloads": results}
        write_json(options.json, values)
    return 0


def measure(workload: str, turns: int) -> dict[str, dict[str, float]]:
    """Every attack on a workload: seconds of an honest client, of the attack, and of its steps.

    Raises:
        DataError: the data are not here and cannot be downloaded.
    """
    experiment = WORKLOADS[workload].experiment(1)
    found = {}
    for name, attack in ATTACKS.items():
        values = experiment.describe() | {"attack": attack, "control": False, "target": {"select": "random"}}
        place = Place.of(prepare(Experiment.model_validate(values)).with_target(None))
        contenders: dict[str, Callable[[], object]] = {
            "honest": partial(place.honest.run, place.context),
            "attack": partial(place.malicious.run, place.context),
            "steps": partial(place.step, place.watch()),
        }
        print(f"{workload}: {name}", file=sys.stderr, flush=True)
        times = in_turns(contenders, turns, lambda _: None)
        found[name] = {what: median(seconds) for what, seconds in times.items()}
    return found


@dataclass(frozen=True)
class Place:
    """A context with an honest and a malicious client."""

    setting: Setting
    context: WorkerContext
    honest: HonestJob
    malicious: MaliciousJob

    @classmethod
    def of(cls, setting: Setting) -> "Place":
        """The first round of this setting."""
        network, experiment = setting.network(), setting.experiment
        size, client = len(network.vector), experiment.malicious
        shared = SharedTensors(torch.zeros(2, size), torch.zeros(experiment.cohort_size, size), torch.zeros(2, 1, 1))
        shared.models[GLOBAL] = network.vector.detach()
        assert experiment.attack is not None
        assert setting.auxiliary is not None
        alpha = 1 / experiment.cohort_size
        attack = MaliciousJob(1, client, client, 1, experiment.attack, alpha, setting.auxiliary, ())
        context = WorkerContext(setting.dataset, setting.shards, network, experiment.local, setting.root, shared)
        return cls(setting, context, HonestJob(1, 0, 0, 1), attack)

    def watch(self) -> Counter[int]:
        """How many passes of how many samples the attack makes."""
        sizes: Counter[int] = Counter()
        plain = Network.backward

        def counting(network: Network, x: Tensor, y: Tensor, *others: Any, **named: Any) -> Tensor:
            sizes[len(x)] += 1
            return plain(network, x, y, *others, **named)

        Network.backward = counting  # type: ignore[method-assign,assignment]
        try:
            self.malicious.run(self.context)
        finally:
            Network.backward = plain  # type: ignore[method-assign]
        return sizes

    def step(self, sizes: Counter[int]) -> None:
        """As many steps of these sizes, and nothing else."""
        context, address = self.context, self.context.address(1, self.malicious.client)
        context.network.load(context.shared.models[GLOBAL])
        optimizer = context.local.new_optimizer(context.network)
        members = context.shards.indices(self.malicious.client)
        with context.network.training(address):
            for size, count in sizes.items():
                plan = context.local.model_copy(update={"epochs": None, "steps": count, "batch_size": size})
                for batch in batches(context.dataset.train, plan, address, members):
                    context.network.backward(batch.x, batch.y)
                    optimizer.step()


def as_table(results: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """The table."""
    table = Table("workload", "attack", caption="beyond: the attack less its steps, by an honest client's round")
    for heading in ("honest client, s", "attack, s", "its steps, s", "beyond"):
        table.add_column(heading, justify="right")
    for workload, attacks in results.items():
        for name, row in attacks.items():
            beyond = (row["attack"] - row["steps"]) / row["honest"]
            table.add_row(
                workload, name, *(f"{row[what]:.3f}" for what in ("honest", "attack", "steps")), f"{beyond:.0%}"
            )
    return table


if __name__ == "__main__":
    sys.exit(main())
