"""What attacks on updates cost: ``python benchmarks/crafting.py``.

Every attack of the registry that makes a team's updates from updates alone, on one thread, given all updates of a
cohort of which a fifth are the team's, and Multi-Krum as the server where it asks for that. The yardstick is the
product U Uᵀ. Memory is the most beyond what was there before, the crafted updates included.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from memory_of import extra_megabytes
from output import describe_machine, in_words, new_console, write_json
from rich.table import Table
from torch import nn
from turns import in_turns, median_and_range, ratio, spread

from fedlens.attacks.attack import Attack
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.core.random import Address
from fedlens.core.registry import BUILT_IN, build, resolve
from fedlens.data.dataset import Samples
from fedlens.defences.chain import Chain
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.simulation.engines.assumed_chain import Assumption
from fedlens.training.local import LocalTraining

SIZES = ((10, (1838, 1839)), (100, (999, 1000)))
"""Number of updates, and inputs and outputs of the linear layer whose updates they are."""
TINY = ((10, (9, 10)), (20, (4, 5)))
PRODUCT = "U @ U.T"
OPTIONS: dict[str, dict[str, Any]] = {
    "inner-product-manipulation": {"eps": 0.5},
    "sign-flipping": {"flips": "mean"},
}
"""Options that have no default, or make it an attack on others' updates."""


def main() -> int:
    """Measure, print the table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3, help="how often everything is timed (default: 3)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, once, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console, machine = new_console(), describe_machine()
    console.print(in_words(machine), soft_wrap=True)
    results = [measure(count, shape, 1 if options.quick else options.turns) for count, shape in sizes(options.quick)]
    for result in results:
        console.print(as_table(result))
    if options.json is not None:
        write_json(options.json, {"machine": machine, "threads": 1, "quick": options.quick, "sizes": results})
    return 0


def sizes(quick: bool) -> tuple[tuple[int, tuple[int, int]], ...]:
    """The sizes that are asked for."""
    return TINY if quick else SIZES


def measure(count: int, shape: tuple[int, int], turns: int) -> dict[str, Any]:
    """Every attack's times and memory, with `count` clients and a linear layer of this shape."""

    def tell(what: str) -> None:
        print(f"{count} updates: {what}", file=sys.stderr, flush=True)

    network = Network(nn.Linear(*shape))
    size, attackers = network.layout.size, count // 5
    updates = torch.randn(count, size, generator=torch.Generator().manual_seed(0)).add_(0.5)
    team = cohort(network, shape[0], updates, attackers)
    crafts: dict[str, Callable[[], Crafted]] = {}
    for name in BUILT_IN["attack"]:
        kind = resolve("attack", name)
        assert issubclass(kind, Attack)
        if kind.collude is not Attack.collude and not kind.trains_trigger:
            attack = build("attack", {"name": name} | OPTIONS.get(name, {}), Attack)
            crafts[name] = partial(attack.collude, team)
    extra = {name: extra_megabytes(craft) for name, craft in crafts.items()}
    seconds = in_turns({**crafts, PRODUCT: lambda: updates @ updates.T}, turns, tell)
    return {
        "updates": count,
        "attackers": attackers,
        "entries": size,
        "attacks": {
            name: {
                "seconds": spread(times),
                "extra_mb": extra.get(name),
                "ratio": ratio(times, seconds[PRODUCT]),
            }
            for name, times in seconds.items()
        },
    }


def cohort(network: Network, inputs: int, updates: torch.Tensor, attackers: int) -> Team:
    """The last of the clients as a team, in the first round."""
    count, alpha = len(updates), 1 / len(updates)
    weights = network.state()
    shard = Samples(torch.zeros(2, inputs), torch.zeros(2, dtype=torch.long))
    first, root = count - attackers, Address.root(0)
    assumption = Assumption(Chain.of([{"name": "multi-krum", "f": attackers}]), count)
    alphas = dict.fromkeys(range(first, count), alpha)
    nothing = torch.zeros(0, dtype=torch.long)
    return Team(
        round=1,
        received=weights,
        members=tuple(Member(place, alpha, shard, root.at(place)) for place in range(attackers)),
        honest=updates[first:],
        others=updates[:first],
        senders=tuple(range(first)),
        cohort=count,
        auxiliary=TargetSamples(shard.x[:0], nothing, nothing, nothing),
        local=LocalTraining(),
        network=network,
        address=root,
        server=assumption.server(1, weights, network.layout, alphas, root),
    )


def as_table(result: dict[str, Any]) -> Table:
    """A size's table."""
    title = f"{result['updates']} × {result['entries']:,} float32, {result['attackers']} attackers, 1 thread"
    table = Table("attack", title=title, title_justify="left", caption="÷: median over turns")
    for heading in ("seconds", "min–max", "extra MB", f"÷ {PRODUCT}"):
        table.add_column(heading, justify="right")
    for name, row in result["attacks"].items():
        megabytes = "" if row["extra_mb"] is None else f"{row['extra_mb']:.0f}"
        table.add_row(name, *median_and_range(row["seconds"]), megabytes, f"{row['ratio']:.2f}")
    return table


if __name__ == "__main__":
    sys.exit(main())
