"""A whole job that is not fedlens': ``python benchmarks/job.py flower EXPERIMENT.yaml RESULT.json``.

It does with another loop what ``fedlens run EXPERIMENT.yaml`` does, for a benign experiment and without records,
checkpoints and figures: it loads the data, plays the rounds, evaluates after each, and ends. Data, partition and
network are fedlens', whose modules it therefore has to import. The result is the seconds of each round and the last
accuracy.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from bare import bare
from peers import ENVIRONMENTS, Peer
from plain import make_task
from task import Task

from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.loading import load_experiment

Done = Callable[[float | None], None]
"""Called with ``None`` before the first round, and with the test accuracy after each."""


def main() -> None:
    """Do the job."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("contender", choices=list(PLAY))
    parser.add_argument("experiment", help="a YAML file")
    parser.add_argument("result", type=Path, help="where the result is written")
    options = parser.parse_args()
    experiment = load_experiment(options.experiment, [])
    stamps: list[float] = []
    accuracies: list[float | None] = []

    def done(accuracy: float | None) -> None:
        stamps.append(time.perf_counter())
        accuracies.append(accuracy)

    PLAY[options.contender](experiment, done)
    seconds = [after - before for before, after in pairwise(stamps)]
    options.result.write_text(json.dumps({"seconds": seconds, "accuracy": accuracies[-1]}), encoding="utf-8")


def play_bare(experiment: Experiment, done: Done) -> None:
    """The bare loop on two processes."""
    with bare(prepare(experiment), workers=2) as rounds:
        done(None)
        for _ in range(experiment.rounds):
            done(next(rounds))


def play_flower(experiment: Experiment, done: Done) -> None:
    """Flower's simulation; the data are put into a file, which all of its processes share, and forgotten here."""
    from flower import simulate

    with TemporaryDirectory() as folder:
        path = Path(folder, "task.pt")
        make_task(prepare(experiment)).save(path)
        simulate(Task.load(path), path, lambda _, accuracy: done(accuracy))


def play_peer(peer: Peer, experiment: Experiment, done: Done) -> None:
    """A contender in an environment of its own; its first round includes what it compiles."""
    with peer.play(prepare(experiment)) as rounds:
        done(None)
        for _ in range(experiment.rounds):
            done(next(rounds))


PLAY: Mapping[str, Callable[[Experiment, Done], None]] = {
    "flower": play_flower,
    "bare": play_bare,
    **{name: partial(play_peer, peer) for name, peer in ENVIRONMENTS.items()},
}


if __name__ == "__main__":
    main()
