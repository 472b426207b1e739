"""Inputs of a study of explanations, from runs: their models, the target samples, and samples of nobody's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ExplanationError, RunError
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.data.loading import load
from fedlens.experiment.setting import Setting, prepare
from fedlens.explanations.explained_samples import choose_samples
from fedlens.explanations.maps import Progress
from fedlens.explanations.methods.method import Method
from fedlens.explanations.model_pair import ModelPair, compare_pair
from fedlens.explanations.models import find_twin_of, load_models
from fedlens.explanations.study import Subject
from fedlens.explanations.triggered_samples import as_trained, asked
from fedlens.runs.directory import differences
from fedlens.runs.weights import keeps_weights, weights_of

_OF_A_SEED = ("seed", "target", "name")


@dataclass(frozen=True)
class Gathered:
    """A run with its data in memory, and the directory of its twin."""

    run: Run
    twin: Path
    setting: Setting

    def subject(self, round_: int | None) -> Subject:
        """Return its models after `round_`, by default after their last, and the target samples.

        Raises:
            RunError: one of the models was not kept.
        """
        models = load_models(self.run, self.twin, self.setting, round_)
        samples = self._samples(self.targets)
        return Subject(models, samples.x, torch.tensor(self._classes(self.targets), device=samples.x.device))

    def pair(
        self, indices: list[int], methods: Mapping[str, Method], progress: Progress, round_: int | None = None
    ) -> ModelPair:
        """Return both models' maps of these test samples.

        The target class of a sample that is not the attack's is the attack's first one.

        Raises:
            RunError: one of the models was not kept.
            ExplanationError: as `explain`.
        """
        models = load_models(self.run, self.twin, self.setting, round_)
        samples, classes = self._samples(indices), self._classes(indices)
        pair = compare_pair(models, samples, indices, target_classes=classes, methods=methods, progress=progress)
        return replace(pair, round=round_)

    @property
    def targets(self) -> list[int]:
        """Indices of the target samples; with a trigger, of the first sample of each class that it is for.

        Raises:
            ExplanationError: the goal is plain damage.
        """
        if self.run.experiment.goal is None:
            return self.run.target.index
        if self.setting.goal is None or not self.setting.goal.asks:
            raise ExplanationError(
                f"{self.run.path}: its goal wants no class of any sample, so that there is none to explain; "
                "explain a run with a target, e.g. fedlens run quickstart"
            )
        return asked(self.setting)

    def _samples(self, indices: list[int]) -> Samples:
        """Return these test samples; targets as the goal changes them."""
        samples = self.setting.dataset.test.take(torch.tensor(indices))
        if self.run.experiment.goal is None:
            return samples
        changed = torch.tensor([index in self.targets for index in indices], device=samples.y.device)
        x = samples.x.clone()
        x[changed] = self.setting.changed(samples.x[changed])
        return Samples(x, samples.y)

    def _classes(self, indices: list[int]) -> list[int]:
        """Return the target class of each test sample; that of the first target where it has none of its own."""
        if self.run.experiment.goal is None:
            by_index = dict(zip(self.run.target.index, self.run.target.target, strict=True))
        else:
            by_index = dict(enumerate(self.setting.wanted(self.setting.dataset.test.y).tolist()))
            by_index = {index: wanted for index, wanted in by_index.items() if wanted >= 0}
        first = by_index[self.targets[0]]
        return [by_index.get(index, first) for index in indices]

    def sample_indices(self, words: Sequence[str]) -> list[int]:
        """Return the indices of the test samples that `words` name; see `choose_samples`."""
        count = len(self.setting.dataset.test)
        return choose_samples(words, self.targets, count, self.setting.root.at("explain"))

    @property
    def keeps_weights(self) -> bool:
        """Tell whether the weights of every round are there, of the run and of its twin."""
        return keeps_weights(self.run.path) and keeps_weights(self.twin)

    def rounds(self, *, attacked: bool) -> Iterator[nn.Module]:
        """Yield the global model after each round, as one module whose weights change."""
        network = self.setting.network()
        for record in self.run.records:
            network.load(weights_of(self.run.path if attacked else self.twin, record.round))
            yield network.module

    def attack_acted(self) -> list[bool]:
        """Tell, round by round, whether the attack acted."""
        return [bool(record.attackers) for record in self.run.records]


def gather(
    runs: Sequence[Run], device: str, data_dir: Path | None, *, trust: bool = False, control: Path | None = None
) -> list[Gathered]:
    """Load a run, or several that differ only in their seed and target.

    Args:
        runs: the runs.
        device: where to compute.
        data_dir: where data files are.
        trust: whether to import code that somebody else's run names.
        control: see `find_twin_of`.

    Raises:
        ConfigError: there is such code, and no `trust`.
        ExplanationError: one predicts a quantity.
        RunError: two have the same seed or differ in something else, or one has no twin.
    """
    by_seed: dict[int, Path] = {}
    for run in runs:
        if run.regression:
            raise ExplanationError(
                f"{run.path}: its model predicts a quantity, and explanations are of a class; explain a run whose data "
                "have classes, e.g. fedlens run quickstart"
            )
        if (other := by_seed.setdefault(run.experiment.seed, run.path)) is not run.path:
            raise RunError(f"{run.path}: has the seed of {other}; name one run of each seed")
        if different := differences(_shared_options(runs[0]), _shared_options(run)):
            raise RunError(
                f"{run.path}: differs from {runs[0].path} in more than seed and target: {'; '.join(different)}; "
                f"make it anew: fedlens run {runs[0].path} --seed {run.experiment.seed} --keep-weights"
            )
    runs = [run.with_code(trust) for run in runs]
    twins = [find_twin_of(run, control) for run in runs]
    dataset = load(runs[0].experiment.data, data_dir)
    settings = [as_trained(prepare(run.experiment, device, dataset=dataset), run) for run in runs]
    return [Gathered(*fields) for fields in zip(runs, twins, settings, strict=True)]


def _shared_options(run: Run) -> dict[str, object]:
    return {name: value for name, value in run.experiment.relevant().items() if name not in _OF_A_SEED}


def others(gathered: Sequence[Gathered], words: Sequence[str]) -> Tensor:
    """Return the test samples that `words` name, without target samples; perhaps none.

    The order of the runs does not matter.

    Raises:
        ExplanationError: as `choose_samples`.
    """
    targets = sorted({index for run in gathered for index in run.targets})
    test = gathered[0].setting.dataset.test
    indices = choose_samples(words, targets, len(test), Address.root(0).at("explain"))
    return test.take(torch.tensor([index for index in indices if index not in targets], dtype=torch.int64)).x


def held_out(gathered: Gathered, count: int) -> tuple[Tensor, bool]:
    """Return up to `count` of the server's own samples and True; if it has none, test samples and False."""
    if (validation := gathered.setting.validation) is not None:
        return validation.x[:count], True
    return others([gathered], [f"random:{count}"]), False
