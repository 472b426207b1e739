"""What a study of explanations takes from runs: their models, the attackers' samples, and samples of nobody's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from fedlens.analysis.run_results import Run
from fedlens.core.errors import RunError
from fedlens.core.random import Address
from fedlens.data.loading import load
from fedlens.experiment.setting import Setting, prepare
from fedlens.explanations.maps import Progress
from fedlens.explanations.methods.method import Method
from fedlens.explanations.models import find_twin_of, load_models
from fedlens.explanations.pair import Pair, compare_pair
from fedlens.explanations.samples import chosen
from fedlens.explanations.study import Subject
from fedlens.runs.directory import differences
from fedlens.runs.record_values import guilty_client
from fedlens.runs.weights import keeps_weights, weights_of

_OF_A_SEED = ("seed", "target", "name")


@dataclass(frozen=True)
class Gathered:
    """A run with its data in memory, and its twin."""

    run: Run
    twin: Path
    setting: Setting

    def subject(self, round_: int | None) -> Subject:
        """Its models after `round_`, by default after their last, and the attacker's samples.

        Raises:
            RunError: one of the models was not kept.
        """
        models = load_models(self.run, self.twin, self.setting, round_)
        inputs = self.setting.dataset.test.take(torch.tensor(self.run.target["index"])).x
        return Subject(models, inputs, torch.tensor(self.run.target["target"], device=inputs.device))

    def pair(
        self, indices: list[int], methods: Mapping[str, Method], progress: Progress, round_: int | None = None
    ) -> Pair:
        """Both models' maps of these test samples; the attack's first class is wanted of those it says nothing of.

        Raises:
            RunError: one of the models was not kept.
            ExplanationError: as `explain`.
        """
        models = load_models(self.run, self.twin, self.setting, round_)
        wants = dict(zip(self.run.target["index"], self.run.target["target"], strict=True))
        wanted = [wants.get(index, self.run.target["target"][0]) for index in indices]
        samples = self.setting.dataset.test.take(torch.tensor(indices))
        found = compare_pair(models, samples, indices, wanted=wanted, methods=methods, progress=progress)
        return replace(found, round=round_)

    def chosen(self, words: Sequence[str]) -> list[int]:
        """The test samples that `words` say; see `fedlens.explanations.samples.chosen`."""
        count = len(self.setting.dataset.test)
        return chosen(words, self.run.target["index"], count, self.setting.root.at("explain"))

    @property
    def keeps_weights(self) -> bool:
        """Whether the weights of every round are there, of the run and of its twin."""
        return keeps_weights(self.run.path) and keeps_weights(self.twin)

    def rounds(self, *, attacked: bool) -> Iterator[nn.Module]:
        """The global model after each round, as one module whose weights change."""
        network = self.setting.network()
        for record in self.run.records:
            network.load(weights_of(self.run.path if attacked else self.twin, record["round"]))
            yield network.module

    def guilty(self) -> list[bool]:
        """Whether the attack acted, round by round."""
        return [guilty_client(self.run.experiment, record) is not None for record in self.run.records]


def gather(runs: Sequence[Run], device: str, data_dir: Path | None, *, trust: bool = False) -> list[Gathered]:
    """Several runs, which differ in their seed and target only.

    Args:
        runs: which.
        device: where their models are to be.
        data_dir: where data files are.
        trust: whether code may be imported that somebody else's run names.

    Raises:
        ConfigError: there is such code, and no `trust`.
        RunError: two have the same seed, differ in something else, or have no twin.
    """
    seen: dict[int, Path] = {}
    for run in runs:
        if (other := seen.setdefault(run.experiment.seed, run.path)) is not run.path:
            raise RunError(f"{run.path}: has the seed of {other}; name one run of each seed")
        if different := differences(_common(runs[0]), _common(run)):
            raise RunError(
                f"{run.path}: differs from {runs[0].path} in more than seed and target: {'; '.join(different)}; "
                f"make it anew: fedlens run {runs[0].path} --seed {run.experiment.seed} --keep-weights"
            )
    runs = [run.with_code(trust) for run in runs]
    twins = [find_twin_of(run) for run in runs]
    dataset = load(runs[0].experiment.data, data_dir)
    settings = [prepare(run.experiment, device, dataset=dataset) for run in runs]
    return [Gathered(*one) for one in zip(runs, twins, settings, strict=True)]


def _common(run: Run) -> dict[str, object]:
    return {name: value for name, value in run.experiment.relevant().items() if name not in _OF_A_SEED}


def others(gathered: Sequence[Gathered], words: Sequence[str]) -> Tensor:
    """Test samples that are no attacker's, as `words` say; the same whatever the order of the runs; there may be none.

    Raises:
        ExplanationError: as `chosen`.
    """
    targets = sorted({index for one in gathered for index in one.run.target["index"]})
    test = gathered[0].setting.dataset.test
    indices = chosen(words, targets, len(test), Address.root(0).at("explain"))
    return test.take(torch.tensor([index for index in indices if index not in targets], dtype=torch.int64)).x


def held_out(one: Gathered, count: int) -> tuple[Tensor, bool]:
    """Up to `count` samples of the server's own, and whether they are: else test samples stand in for them."""
    if (own := one.setting.validation) is not None:
        return own.x[:count], True
    return others([one], [f"random:{count}"]), False
