"""The choice of target samples: which test samples the attacker wants misclassified, and as what.

The paper draws a test sample of one class at random. But a result means nothing if the clean model errs on that sample
anyway, so by default only samples count that the benign twin's last model gets right with confidence ≥ 0.5.

Samples of the tail of the distribution are misclassified most easily, and to the least harm of others: the edge cases
of H. Wang et al., *Attack of the Tails: Yes, You Really Can Backdoor Federated Learning* (NeurIPS 2020). They bring
theirs from other data sets. Here the tail is what the twin is least sure of, among the samples that it gets right; and
as with all target samples, the attacker has the very samples that it is judged by, where theirs are judged by others of
their kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError, UnjudgedError, shortened
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.core.suggest import TYPED, likeliest, pasted
from fedlens.data.dataset import Dataset
from fedlens.goals.paper_attack import PaperAttack
from fedlens.goals.success import TargetSamples

if TYPE_CHECKING:
    from torch import Tensor

RESISTANT_CONFIDENCE = 0.5


class Target(Config):
    """Choice of target samples from the test set.

    Attributes:
        select: ``random`` as in the paper, or ``resistant``: drawn from the samples that the benign twin gets right
            with confidence ≥ 0.5, or ``edge``: of these the ones with the lowest confidence in their true class, lowest
            first. By default resistant if there is a twin, else random.
        source: true class (number or name) to draw from; by default the paper's for r = 1, any class for more.
        target: class wanted by the attacker; by default the paper's for r = 1, a random wrong one each for more.
        r: number of samples.
        draw: the number of the draw from the same seed, from 0; no two draws share a sample.
        index: indices of test samples to use instead of a draw.

    Example:
        >>> from fedlens import Experiment, Target, simulate
        >>> target = Target(source="3", target="8", r=2)
        >>> [result] = simulate(Experiment(data="digits", rounds=1, target=target), engine="serial")
        >>> len(result.record.target.confidence)  # one for each of the two samples
        2
    """

    select: Literal["random", "resistant", "edge"] | None = None
    source: NonNegativeInt | str | None = None
    target: NonNegativeInt | str | None = None
    r: PositiveInt = 1
    draw: int = Field(default=0, ge=0, lt=2**63)
    index: tuple[NonNegativeInt, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _index_gives_r(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("index") is None:
            return values
        index = values["index"]
        index = (index,) if isinstance(index, int) else index
        return {"r": len(index) if isinstance(index, list | tuple) else 1, **values, "index": index}

    @model_validator(mode="after")
    def _index_excludes_a_draw(self) -> Target:
        if self.index is not None:
            if self.select is not None or self.source is not None or self.draw:
                raise ValueError(
                    "an index leaves nothing to select; drop select, source and draw, or -o target.index=null"
                )
            if len(set(self.index)) != len(self.index) or len(self.index) != self.r:
                once = list(dict.fromkeys(self.index))
                raise ValueError(
                    f"r is {self.r}, so index must hold that many different numbers, not {self.index}; "
                    f"e.g. -o target.r={len(once)} -o 'target.index={once}'"
                )
        return self


def choose(
    target: Target, dataset: Dataset, paper: PaperAttack, address: Address, twin: Tensor | None
) -> TargetSamples:
    """Choose the target samples.

    Args:
        target: how to choose.
        dataset: the data, whose test set they come from.
        paper: the classes where `target` names none.
        address: where the draw begins.
        twin: log-probabilities ``[samples, classes]`` of the benign twin's last model on the test set; if given, only
            samples that it gets right are drawn.

    Raises:
        ConfigError: a class or index that does not exist, or too few samples to draw from.
        UnjudgedError: the twin gets too few of them right.
    """
    target = _with_defaults(target, paper)
    labels = dataset.test.y.cpu().numpy()
    index = _index(target, dataset, labels, address, None if twin is None else twin.cpu().numpy())
    true = labels[index]
    target_classes = _target_classes(target, dataset, true, address.at("class").generator())
    device = dataset.test.x.device
    rows = torch.from_numpy(index).to(device)
    samples = dataset.test.take(rows)
    return TargetSamples(samples.x, samples.y, torch.from_numpy(target_classes).to(device), rows)


def _with_defaults(target: Target, paper: PaperAttack) -> Target:
    """Return the choice with the classes that are attacked by default, if it is of one sample; several are of any."""
    if target.r > 1:
        return target
    classes = {"target": paper.target} | ({"source": paper.source} if target.index is None else {})
    return target.model_copy(update={end: value for end, value in classes.items() if getattr(target, end) is None})


def class_number(value: int | str | None, dataset: Dataset, field: str, option: str = "target") -> int | None:
    """Return the number of a class given by number or name in this `field` of the `option`.

    Raises:
        ConfigError: there is no such class.
    """
    if value is None:
        return None
    if isinstance(value, str) and value in dataset.classes:
        return dataset.classes.index(value)
    if isinstance(value, int) and value < len(dataset.classes):
        return value
    names = ", ".join(f"{number} {name}" for number, name in enumerate(dataset.classes))
    meant = likeliest(str(value), sorted(dataset.classes)) or dataset.classes[field == "target"]
    remedy = pasted(TYPED, f"{option}.{field}", meant)
    raise ConfigError(f"{option}.{field}: there is no class {shortened(value)}; the classes are {names}; e.g. {remedy}")


def _index(
    target: Target, dataset: Dataset, labels: NDArray[np.int64], address: Address, twin: NDArray[np.float32] | None
) -> NDArray[np.int64]:
    if target.index is not None:
        if (largest := max(target.index)) >= len(labels):
            last = len(labels) - 1
            remedy = f"e.g. -o target.index={last}"
            raise ConfigError(f"target.index: there is no test sample {largest}; the last one is {last}; {remedy}")
        return np.array(target.index, dtype=np.int64)
    source = class_number(target.source, dataset, "source")
    fits = labels != class_number(target.target, dataset, "target") if source is None else labels == source
    which = "samples of the test set" if source is None else f"test samples of class {dataset.classes[source]}"
    order = address.at("sample").generator().permutation(len(labels))
    needed = (target.draw + 1) * target.r
    if (count := int(fits.sum())) < needed:
        asked = f"{target.r} asked for" + (f" after {target.draw} draws of as many" if target.draw else "")
        raise ConfigError(f"target.r: {asked}, but there are only {count} {which}; {_fewer(target, count)}")
    if twin is not None:
        resists = _resists(twin, labels)
        if (right := int((fits & resists).sum())) < needed:
            reason = f"without attack, the model gets {right} of {count} {which} right with confidence ≥ "
            reason += f"{RESISTANT_CONFIDENCE}, and {needed} {'is' if needed == 1 else 'are'} needed"
            raise UnjudgedError(reason, list(_others(target, dataset, source, labels[resists], right)))
        fits &= resists
    pool = order[fits[order]]  # so that a random draw that resists is also the resistant draw
    if target.select == "edge" and twin is not None:
        pool = pool[np.argsort(twin[pool, labels[pool]], kind="stable")]
    return np.asarray(pool[target.draw * target.r :][: target.r], dtype=np.int64)


def _resists(twin: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which samples the model with these log-probabilities gets right, with enough confidence."""
    confident = twin[np.arange(len(labels)), labels] >= log(RESISTANT_CONFIDENCE)
    return np.asarray((twin.argmax(axis=1) == labels) & confident)


def has_learnt(twin: Tensor, dataset: Dataset) -> bool:
    """Tell whether the model with these log-probabilities resists on more test samples than any one class has."""
    labels = dataset.test.y.cpu().numpy()
    return int(_resists(twin.cpu().numpy(), labels).sum()) > int(np.bincount(labels).max())


def _fewer(target: Target, count: int) -> str:
    """Suggest an option for when there are only `count` samples to draw from."""
    if count >= target.r:
        return "e.g. -o target.draw=0"
    if count:
        return "e.g. " + "-o target.draw=0 " * (target.draw > 0) + f"-o target.r={count}"
    return "e.g. -o target.source=null"


def _others(
    target: Target, dataset: Dataset, source: int | None, right: NDArray[np.int64], count: int
) -> Iterator[str]:
    """Yield remedies for when the benign twin gets only `count` samples right; `right` are the labels of all it does.

    The class suggested is the one it gets most samples of right, unless that is the target class or has too few.
    """
    if count >= target.r:
        yield "take an earlier draw, e.g. -o target.draw=0"
    elif count:
        yield f"take fewer samples, e.g. {'-o target.draw=0 ' * (target.draw > 0)}-o target.r={count}"
    if source is not None:
        counts = np.bincount(right, minlength=len(dataset.classes))
        if (target_class := class_number(target.target, dataset, "target")) is not None:
            counts[target_class] = 0
        if counts.max() >= (target.draw + 1) * target.r:
            name = dataset.classes[most := int(counts.argmax())]
            remedy = pasted(TYPED, "target.source", most if name.isdecimal() else name)
            yield f"take a class of which it gets {counts.max()} right, e.g. {remedy}"
    yield "take any samples, right or not: -o target.select=random"


def _target_classes(
    target: Target, dataset: Dataset, true: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    shared = class_number(target.target, dataset, "target")
    if shared is None:
        drawn = generator.integers(1, len(dataset.classes), size=(target.draw + 1) * len(true))
        return (true + drawn[-len(true) :]) % len(dataset.classes)
    if shared in true:
        others = [number for number in range(len(dataset.classes)) if number not in true]
        remedy = f"choose another class, e.g. -o target.target={others[0]}" if others else "e.g. -o target.r=1"
        raise ConfigError(
            f"target.target: the sample is of class {shared} ({dataset.classes[shared]}) already; {remedy}"
        )
    return np.full(len(true), shared, dtype=np.int64)
