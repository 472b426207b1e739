"""Attacks, and what they may know.

A malicious client does not collude. It sees its own shard, its auxiliary samples, the global weights of the rounds in
which it was chosen, the weight α_m that the server announces, and what it sent itself. `View` holds that and nothing
else: no seed, no other client's data, no other client's update. An attack that needs the others' updates must declare
itself `omniscient`, and every result of it says so. This restricts what an attack is given; a run is no sandbox,
and code that sets out to can guess a small seed from its address.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from fedlens.attacks.estimation import Observation, previous_step
from fedlens.core.config import Config
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, train

if TYPE_CHECKING:
    from torch import Tensor

Boost = Literal["auto"] | Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class View:
    """The knowledge of the malicious client in a round in which it is chosen.

    Attributes:
        round: number of the round, from 1.
        weights: where to begin, shape ``[d]``; the update is the displacement from here. These are the global weights,
            or with pre-optimisation correction the estimate ŵ of where the others will take them.
        received: the global weights w_G^t, shape ``[d]``.
        alpha: weight α_m that its update will have in the average, as announced.
        shard: its own samples.
        auxiliary: the target samples, which it wants misclassified.
        local: how honest clients train.
        network: a working copy of the model, loaded with `weights`.
        address: where its random draws begin.
        history: earlier rounds in which it took part, as many as the attack `remembers`, latest last.
        others: the other clients' updates, shape ``[n - 1, d]``, for an attack that declares itself omniscient.
        log: numbers that the attack adds to the round's record.

    Example:
        >>> from fedlens import Attack, Experiment, simulate
        >>> class Curious(Attack):
        ...     def craft(self, view):
        ...         print(f"round {view.round}, weight {view.alpha:.2f}, {len(view.shard)} samples of its own")
        ...         return view.train()
        >>> experiment = Experiment(data="digits", clients=4, rounds=1, attack=Curious(), control=False)
        >>> results = list(simulate(experiment, engine="serial"))
        round 1, weight 0.25, 360 samples of its own
    """

    round: int
    weights: Tensor
    received: Tensor
    alpha: float
    shard: Samples
    auxiliary: TargetSamples
    local: LocalTraining
    network: Network
    address: Address
    history: tuple[Observation, ...] = ()
    others: Tensor | None = None
    log: dict[str, float] = field(default_factory=dict)

    def train(self) -> Tensor:
        """Train honestly; return the update ``[d]`` that an honest client would send."""
        return train(self.network, self.weights, self.shard, self.local, self.address)

    def wanted(self) -> Tensor:
        """Return the network's present log-probabilities of the target classes, shape ``[r]``, without dropout."""
        log_probabilities = self.network.log_probabilities(self.auxiliary.x)
        return log_probabilities.gather(1, self.auxiliary.target[:, None])[:, 0]

    def estimate(self) -> Tensor | None:
        """Return the others' part of the next step, δ̂, shape ``[d]``, or ``None`` at the first selection."""
        return previous_step(self.history[-1], self.received, self.round) if self.history else None


class Attack(Config):
    """An attack's description; derive from it to bring your own and write `craft`.

    Attributes:
        client: the malicious client's index; the last one by default, as in the authors' configuration.
        delay: behave honestly before this round (the first round is 1).
        until: behave honestly from this round on, so that the rounds of the attack are [delay, until).
        hold_off: behave honestly while the global model gives every target at least this confidence. The paper's 1 is
            reached only by rounding; 0.999 holds off more readily.
        boost: boosting factor λ; ``auto`` is 1/α_m, which cancels the averaging.
        estimate: correct for the others by the previous step: ``pre`` starts from the estimate ŵ, ``post`` subtracts λ
            times the estimated update from what is sent.

    Example:
        >>> from fedlens import Attack, Experiment, simulate
        >>> class Opposite(Attack):
        ...     def craft(self, view):
        ...         return -self.factor(view.alpha) * view.train()
        >>> experiment = Experiment(data="digits", rounds=1, attack=Opposite(boost=3), control=False)
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.malicious.attack.acted
        True
    """

    omniscient: ClassVar[bool] = False
    """True if the attack sees the other clients' updates, as `View.others`."""

    remembers: ClassVar[int] = 0
    """Number of earlier rounds in `View.history`."""

    keeping: ClassVar[str] = "let remembers say how many rounds it looks back on, and find them in view.history"

    client: NonNegativeInt | None = None
    delay: NonNegativeInt = 0
    until: PositiveInt | None = None
    hold_off: float | None = Field(default=None, gt=0, le=1)
    boost: Boost = "auto"
    estimate: Literal["pre", "post"] | None = None

    @model_validator(mode="after")
    def _window(self) -> Attack:
        if self.until is not None and self.until <= max(self.delay, 1):
            raise ValueError(
                f"until: no round is before {self.until} and not before delay = {self.delay}; "
                f"e.g. -o attack.until={max(self.delay, 1) + 1}"
            )
        return self

    @property
    def estimates(self) -> bool:
        """True if the attack uses `View.estimate`, whose error the simulator then records."""
        return self.estimate is not None

    @property
    def memory(self) -> int:
        """Number of its rounds that the simulator stores: at least one if it `estimates`."""
        return max(self.remembers, int(self.estimates))

    def craft(self, view: View) -> Tensor:
        """Return the update to send, shape ``[d]``: a displacement from `view.weights`."""
        raise NotImplementedError

    def factor(self, alpha: float) -> float:
        """Return the boosting factor λ for an announced weight α_m."""
        return 1 / alpha if self.boost == "auto" else self.boost

    def corrected(self, view: View) -> Tensor:
        """Return the update of `craft`, shape ``[d]``, corrected by the estimate of the others if there is one."""
        estimate = view.estimate() if self.estimate else None
        if estimate is None:
            return self.craft(view)
        if self.estimate == "post":
            return self.craft(view) - self.factor(view.alpha) * estimate
        start = view.received + estimate
        view.network.load(start)
        return self.craft(replace(view, weights=start))

    def waits(self, view: View) -> str | None:
        """Return why the attack behaves honestly in this round; ``None`` if it acts."""
        if view.round < self.delay:
            return "delay"
        if self.until is not None and view.round >= self.until:
            return "until"
        if self.hold_off is not None and bool(torch.all(view.wanted().exp() >= self.hold_off)):
            return "hold-off"
        return None
