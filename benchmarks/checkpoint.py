"""What a checkpoint each round costs where the server keeps something of every client: 100 clients, a million weights.

FoolsGold adds up each client's updates, and every client is chosen in every round, so that all it keeps has changed:
400 MB a round. Beside it the same bytes written and synchronised by themselves, in one file.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from torch import nn

from fedlens.core.engine_name import EngineName
from fedlens.data.fashion_mnist import FashionMnist
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.models.model import Model
from fedlens.runs.directory import RunDirectory
from fedlens.simulation.engines.choice import choose_engine
from fedlens.simulation.rounds import federate
from fedlens.training.local import LocalTraining


class Million(Model):
    """A dense network of a million weights."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        """Build it for inputs of this shape."""
        inputs = shape[0] * shape[1] * shape[2]
        width = 1_000_000 // (inputs + classes + 1)
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))


def measure(experiment: Experiment, engine: EngineName, folder: Path) -> tuple[list[float], list[float]]:
    """Play the experiment into a folder; return the seconds of its rounds, and those of writing them down."""
    setting = prepare(experiment).with_target(None)
    played: list[float] = []
    written: list[float] = []
    with choose_engine(engine, None, setting).make() as workforce, RunDirectory(folder) as directory:
        directory.begin(experiment, resume=False)
        began = time.perf_counter()
        for result in federate(setting, workforce):
            done = time.perf_counter()
            directory.append(result)
            written.append(time.perf_counter() - done)
            played.append(done - began)
            began = time.perf_counter()
    return played, written


def floor(folder: Path, size: int) -> float:
    """Return the seconds that it takes to write and synchronise a file of this many bytes."""
    content = os.urandom(size)
    began = time.perf_counter()
    with (folder / "floor").open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--epochs", type=float, default=5)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    options = parser.parse_args()
    local = LocalTraining(epochs=options.epochs, batch_size=50)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for title, chain in (("nothing kept", "mean"), ("kept of each client", "foolsgold")):
            experiment = Experiment(
                data=FashionMnist(), model=Million(), clients=options.clients, rounds=options.rounds, local=local,
                aggregation=chain,
            )  # fmt: skip
            played, written = measure(experiment, options.engine, Path(name) / title.replace(" ", "-"))
            shares = [by / (by + round_) for by, round_ in zip(written, played, strict=True)]
            print(
                f"{title}: a round {median(played):.2f} s ({min(played):.2f} to {max(played):.2f}), its record and "
                f"checkpoint {median(written):.2f} s ({min(written):.2f} to {max(written):.2f}): "
                f"{median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"
            )
        seconds = floor(Path(name), options.clients * 4_000_000)
        print(f"as many bytes in one file: {seconds:.2f} s")


if __name__ == "__main__":
    main()
