"""What is measured: benign experiments of small steps, of few steps, of large ones, and of the paper's network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fedlens.data.adult import Adult
from fedlens.data.dataset import Data, Samples
from fedlens.data.fashion_mnist import FashionMnist
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.models.cnn import PaperCnn, SmallCnn
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.training.local import LocalTraining

QUICK_SHARD = 10
QUICK_TEST = 200


@dataclass(frozen=True)
class Workload:
    """An experiment to be timed.

    Attributes:
        about: what it is, for the table.
        data: the data set.
        model: the network.
        clients: number of clients (K).
        fraction: share of the clients in a round (C).
        epochs: local epochs (E).
        batch_size: samples in a batch (B).
        rounds: how many blocks of rounds are counted unless the user says otherwise.
        block: how many rounds in a row are timed as one.
        samples: how many of the training samples there are, from the first; ``None`` for all.
    """

    about: str
    data: Data
    model: Model
    clients: int
    fraction: float
    epochs: int
    batch_size: int
    rounds: int
    block: int = 1
    samples: int | None = None

    def experiment(self, rounds: int) -> Experiment:
        """The experiment of this many rounds, on all samples."""
        return Experiment(
            data=self.data,
            model=self.model,
            clients=self.clients,
            fraction=self.fraction,
            rounds=rounds,
            local=LocalTraining(epochs=self.epochs, batch_size=self.batch_size),
        )

    def prepare(self, rounds: int, quick: bool) -> Setting:
        """The experiment of this many rounds with its data in memory; of a sample of the data where it has to be quick.

        Raises:
            DataError: the data are not here and cannot be downloaded.
        """
        setting = prepare(self.experiment(rounds))
        if quick:
            return shorten(setting, QUICK_SHARD * self.clients, QUICK_TEST)
        return setting if self.samples is None else shorten(setting, self.samples, len(setting.dataset.test))


def shorten(setting: Setting, train: int, test: int) -> Setting:
    """`setting` with the first few of its samples for training and for the test."""
    experiment, data = setting.experiment, setting.dataset
    short = replace(data, train=first(data.train, train), test=first(data.test, test))
    shards = experiment.partition.split(short.train.y, experiment.clients, setting.root.at("partition"))
    return replace(setting, dataset=short, shards=shards)


def first(samples: Samples, count: int) -> Samples:
    """The first `count` of `samples`."""
    return Samples(samples.x[:count], samples.y[:count])


WORKLOADS: Mapping[str, Workload] = {
    "census-10": Workload(
        "Adult, census-mlp, K=10 E=5 B=50",
        Adult(),
        CensusMlp(),
        10,
        fraction=1.0,
        epochs=5,
        batch_size=50,
        rounds=5,
        block=2,
    ),
    "census-100": Workload(
        "Adult, census-mlp, K=100 C=0.1 E=5 B=50",
        Adult(),
        CensusMlp(),
        100,
        fraction=0.1,
        epochs=5,
        batch_size=50,
        rounds=5,
        block=5,
    ),
    "fashion-small": Workload(
        "Fashion-MNIST, small, K=10 E=1 B=100",
        FashionMnist(),
        SmallCnn(),
        10,
        fraction=1.0,
        epochs=1,
        batch_size=100,
        rounds=3,
    ),
    "fashion-paper": Workload(
        "Fashion-MNIST, first 6,000, paper-cnn, K=10 E=1 B=100",
        FashionMnist(),
        PaperCnn(),
        10,
        fraction=1.0,
        epochs=1,
        batch_size=100,
        rounds=2,
        samples=6000,
    ),
}
