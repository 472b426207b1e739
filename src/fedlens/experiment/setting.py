"""Everything about an experiment that is fixed before its first round."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from fedlens.core.custom import copy_tensors, is_custom
from fedlens.core.deadline import within
from fedlens.core.errors import ConfigError, DataError, cut
from fedlens.core.origin import at
from fedlens.core.random import Address, seeded
from fedlens.core.registry import name_of, require_code, require_complete
from fedlens.core.staying import staying
from fedlens.data.checking import checked_shards
from fedlens.data.columns import Columns
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.described_columns import columns_of
from fedlens.data.loading import load
from fedlens.data.partition import Partition, Shards
from fedlens.data.validation import set_apart
from fedlens.defences.buffers_tried import why_not_combined
from fedlens.experiment.distinct import few_distinct
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.failures import Failures
from fedlens.experiment.lone_samples import require_no_lone_samples
from fedlens.goals.goal import NOTHING, Goal
from fedlens.goals.malicious_samples import changed_inputs, wanted_classes
from fedlens.goals.paper_attack import PaperAttack, paper_attack
from fedlens.goals.success import TargetSamples
from fedlens.goals.target_samples import choose
from fedlens.models.initial_model import InitialModel, digest
from fedlens.models.mixed_precision import require_bfloat16
from fedlens.models.network import Network
from fedlens.models.trial import require_answer, try_out
from fedlens.training.local import LocalTraining

NO_BUFFERS = "training changes no buffers of this model that clients could keep, such as running statistics"


@dataclass(frozen=True)
class Setting:
    """An experiment with its data in memory.

    Attributes:
        experiment: the description, settled.
        dataset: the data, on the device where models are trained.
        shards: which training samples each client holds.
        device: where models are trained.
        initial: the model with its first weights.
        validation: the server's own samples; ``None`` where no check needs any.
        root_samples: what the server trains on; ``None`` where no stage of its chain does.
        auxiliary: the target samples; ``None`` in a control, which serves any of them, and where there is a goal.
        goal: what attackers want, fitted to the data; ``None`` for target samples, and in a control.
        fingerprint: of the data as they were loaded, unless they are `dataset` itself.
        timeout: seconds that a piece of work may take (`fedlens.core.deadline`).
    """

    experiment: Experiment
    dataset: Dataset
    shards: Shards
    device: torch.device
    initial: InitialModel
    validation: Samples | None = None
    root_samples: Samples | None = None
    auxiliary: TargetSamples | None = None
    goal: Goal | None = None
    fingerprint: str | None = None
    timeout: float | None = None

    @property
    def local(self) -> LocalTraining:
        """How clients train, with what depends on the data."""
        return self.experiment.local.fitted(self.dataset)

    @property
    def root(self) -> Address:
        """Where the experiment's random draws begin."""
        return Address.root(self.experiment.seed)

    @property
    def paper(self) -> PaperAttack:
        """The classes that are attacked by default, and where the paper stops."""
        return paper_attack(self.experiment.data, self.dataset)

    @property
    def columns(self) -> Columns:
        """What the columns of records are."""
        return columns_of(self.experiment.data, self.dataset)

    def network(self) -> Network:
        """Return a network with the initial weights.

        Raises:
            ConfigError: the model's code is not at hand.
        """
        return self.initial.network()

    def try_model(self) -> None:
        """Check that the model fits the data, and the server's chain the model, before anything runs.

        Raises:
            ConfigError: it does not, or is none that clients could train, or not here in their precision.
        """
        if self.initial.bf16:
            require_bfloat16(self.device)
        model, samples = self.experiment.model, self.dataset.train.take(torch.arange(2) % len(self.dataset.train))
        if is_custom(model):
            name = f"{name_of('model', model)}{at(model.definition)}"
            try_out(self.initial, samples, name, self.root.at("trial"))
        network, experiment = self.network(), self.experiment
        one = self.dataset.train.take(torch.zeros(1, dtype=torch.int64))
        if not is_custom(model):
            require_answer(network, one, name_of("model", model))
        own, count = experiment.local.buffers == "local", network.layout.buffers.size
        if own and not count:
            raise ConfigError(f"local.buffers: {NO_BUFFERS}; -o local.buffers=average")
        if not own and (why := why_not_combined(experiment.server, network.layout, experiment.cohort_size)):
            raise ConfigError(f"aggregation: {why}")
        sizes, address = self.shards.sizes.tolist(), self.root.at("trial", "alone")
        require_no_lone_samples(network, one, experiment.local, sizes, address)

    def digests(self) -> dict[str, str]:
        """Digest what the experiment begins with, so that a change of it is noticed.

        Returns:
            Digests of the ``data``, the ``shards`` and the first ``weights``.
        """
        return {
            "data": self.fingerprint or self.dataset.fingerprint(),
            "shards": digest(self.shards.order.cpu(), self.shards.offsets.cpu()),
            "weights": self.initial.digest,
        }

    @cached_property
    def having_samples(self) -> list[int]:
        """The clients that have training samples, in ascending order; the others are never chosen."""
        return torch.nonzero(self.shards.sizes)[:, 0].tolist()

    def chosen(self, round_: int) -> list[int]:
        """Return the clients chosen in this round, in ascending order.

        They are drawn uniformly, without replacement, of those that have samples, but for the ones that are chosen in
        every round; all that there are if these are fewer than a cohort.
        """
        always = self.experiment.every_round
        others = [client for client in self.having_samples if client not in always]
        generator = self.root.at("cohort", round_).generator()
        count = min(self.experiment.cohort_size - len(always), len(others))
        drawn = generator.choice(others, count, replace=False)
        return sorted([*always, *(int(client) for client in drawn)])

    def cohort(self, round_: int) -> list[int]:
        """Return the chosen clients that take part, because they are not absent and do not fail."""
        failed = self.failed(round_)
        return [client for client in self.expected(round_) if client not in failed]

    def expected(self, round_: int) -> list[int]:
        """Return the chosen clients that are not absent, whether they fail or not."""
        return [client for client in self.chosen(round_) if client not in self.experiment.absent]

    def failed(self, round_: int) -> list[int]:
        """Return the chosen clients that send nothing in this round."""
        if self._failures is None:
            return []
        return self._failures.failed(self.expected(round_), self.experiment.updates_needed, round_, self.root)

    def work(self, client: int, round_: int) -> float:
        """Return the part of its batches that a client trains on in this round."""
        return 1.0 if self._failures is None else self._failures.work_of(client, round_, self.root)

    @property
    def _failures(self) -> Failures | None:
        """How clients fail, with the attackers by their numbers."""
        failures = self.experiment.failures
        return None if failures is None else failures.settled(self.experiment.team)

    def announced(self, round_: int, cohort: list[int]) -> Tensor:
        """Return the weights of the cohort's clients as announced, when nobody knows who will fail, shape ``[n]``."""
        expected = self.expected(round_)
        return self.alpha(expected, round_)[[expected.index(client) for client in cohort]]

    def alpha(self, cohort: list[int], round_: int) -> Tensor:
        """Return the weights α_i = n_i / Σ n_j of a round's cohort, by the n_i that they claim, shape ``[n]``."""
        sizes = self.shards.sizes[torch.tensor(cohort)].double()
        attack = self.experiment.attack
        if attack is not None and (claimed := attack.claimed(round_)) != 1:
            team = self.experiment.team
            sizes = torch.where(torch.tensor([client in team for client in cohort]), claimed * sizes, sizes)
        return (sizes / sizes.sum()).to(self.device)

    def wanted(self, y: Tensor) -> Tensor:
        """Return the classes that the goal wants inputs of classes `y` to be taken for, shape ``[n]``; -1 for none."""
        assert self.goal is not None
        return wanted_classes(self.goal, y, len(self.dataset.classes))

    def changed(self, x: Tensor) -> Tensor:
        """Return the inputs `x`, shape ``[n, ...]``, as the goal changes them."""
        assert self.goal is not None
        return changed_inputs(self.goal, x)

    @cached_property
    def distinct(self) -> int | None:
        """How many distinct test samples the goal leaves of those of which it wants something, if they are few."""
        assert self.goal is not None
        return few_distinct(self.goal, self.dataset.test, len(self.dataset.classes))

    def with_target(self, twin: Tensor | None) -> "Setting":
        """Return the setting with its target samples chosen; `twin` as in `fedlens.goals.target_samples.choose`."""
        if self.experiment.goal is not None:
            return self
        auxiliary = choose(self.experiment.target, self.dataset, self.paper, self.root.at("target"), twin)
        return replace(self, auxiliary=auxiliary)


def prepare(
    experiment: Experiment,
    device: str = "cpu",
    data_dir: Path | None = None,
    dataset: Dataset | None = None,
    timeout: float | None = None,
) -> Setting:
    """Load the data, unless they are given as `dataset`, and deal them out; custom code may take `timeout` seconds.

    Raises:
        ConfigError: the device does not exist, or a component of the user's own is incomplete or its code not at hand.
        DataError: data is missing or corrupt, or too few samples for so many clients or for the validation set.
    """
    torch_device = find_device(device)
    for kind in ("data", "partition"):
        require_code(kind, getattr(experiment, kind))
    for kind, component in experiment.components():
        require_complete(kind, component)
    if dataset is None:
        with staying("data", DataError), within(timeout if is_custom(experiment.data) else None, "loading the data"):
            dataset = load(experiment.data, data_dir)
    dataset = experiment.partition.owned(dataset, experiment.clients, data_dir)
    experiment = experiment.settled(len(dataset.train))
    root = Address.root(experiment.seed)
    loaded, apart = dataset, {"validation": experiment.set_apart, "root": experiment.root_apart}
    samples: dict[str, Samples | None] = dict.fromkeys(apart)
    for option, count in apart.items():
        if count:
            rest, taken = set_apart(dataset.train.y, count, root.at(option), option)
            dataset, samples[option] = dataset.reduced(rest), dataset.train.take(taken).to(torch_device)
    with staying("partition", ConfigError), within(timeout, "dealing out the data"):
        shards = _deal(experiment.partition, dataset, experiment.clients, root.at("partition"))
    _require_samples(experiment, shards)
    dataset = dataset.to(torch_device)
    with staying("goal", ConfigError):
        goal = None if experiment.goal is None else _fitted(experiment.goal, experiment.data, dataset)
    fingerprint = None if dataset is loaded else loaded.fingerprint()
    outputs, address = dataset.outputs, root.at("model")
    local = experiment.local.fitted(dataset)
    some = dataset.train.take(torch.arange(2) % len(dataset.train))
    initial = InitialModel(
        experiment.model, dataset.shape, outputs, address, torch_device, timeout, some, binary=local.is_binary,
        bf16=local.precision == "bf16", regression=dataset.quantity is not None, directory=data_dir,
    )  # fmt: skip
    return Setting(
        experiment, dataset, shards, torch_device, initial, samples["validation"], samples["root"],
        goal=goal, fingerprint=fingerprint, timeout=timeout,
    )  # fmt: skip


def _fitted(goal: Goal, data: Data, dataset: Dataset) -> Goal:
    """Fit the goal to the data.

    Raises:
        ConfigError: it does not fit, its code is not at hand, or it wants nothing of any test sample.
    """
    require_code("goal", goal)
    if (trigger := getattr(goal, "trigger", None)) is not None:
        require_code("trigger", trigger)
    fitted = goal.fitted(data, dataset)
    if fitted.asks and not bool((wanted_classes(fitted, dataset.test.y, len(dataset.classes)) != NOTHING).any()):
        raise ConfigError(f"goal: {name_of('goal', goal)} wants nothing of any test sample; e.g. -o goal=backdoor")
    return fitted


def _deal(partition: Partition, dataset: Dataset, clients: int, address: Address) -> Shards:
    """Let `partition` deal the training samples.

    A custom one has a copy of them, and what it gives is checked.

    Raises:
        DataError: there are too few samples, or a custom one does not deal them as it should.
    """
    labels, groups = dataset.train.y, dataset.groups
    if not is_custom(partition):
        return partition.deal(labels, groups, clients, address)
    with seeded(address.at("global")):
        shards = partition.deal(labels.clone(), copy_tensors(groups), clients, address)
    return copy_tensors(checked_shards(shards, clients, len(labels), name_of("partition", partition)))


def _require_samples(experiment: Experiment, shards: Shards) -> None:
    """Check that somebody has samples, and that all attackers have.

    Raises:
        DataError: it is not so.
    """
    sizes = shards.sizes.tolist()
    if not any(sizes):
        raise DataError("partition: no client has a sample; e.g. -o partition=iid")
    if (client := next((client for client in experiment.team if not sizes[client]), None)) is not None:
        others = [client for client, size in enumerate(sizes) if size][-len(experiment.team) :]
        raise DataError(
            f"attackers: client {client} has no sample to train on; e.g. -o 'attackers={{clients: {others}}}'"
        )


def find_device(name: str) -> torch.device:
    """Return the device called `name`.

    Raises:
        ConfigError: PyTorch knows no such device, or has none here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        reason = "devices are called cpu, cuda, cuda:1 and so on"
        raise ConfigError(f"--device {cut(name)}: not usable here ({reason}); try --device cpu") from None
    try:
        torch.zeros(1, device=device).tolist()
    except (RuntimeError, AssertionError) as error:
        reason = cut(str(error).splitlines()[0], 200)
        raise ConfigError(f"--device {name}: not usable here ({reason}); try --device cpu") from None
    return device
