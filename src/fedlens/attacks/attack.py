"""Attacks, and what they may know.

A malicious client sees its own shard, its auxiliary samples, the global weights of the rounds in which it was chosen,
the weight α_m that the server announces, that of its team, and what it sent itself. `View` holds that and nothing else:
no seed, no other client's data, no other client's update. An attack that needs others' updates must declare its
`sight`, and every result of it says so. This restricts what an attack is given; a run is no sandbox, and code that sets
out to can guess a small seed from its address.

There are three verbs, of which an attack defines those that it needs: `Attack.poison` changes a client's samples before
training, `Attack.craft` makes one client's update, and `Attack.collude` those of a team.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from fedlens.attacks.assumed_server import AssumedServer
from fedlens.attacks.boosting import boosted
from fedlens.attacks.estimation import Observation, previous_step
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.core.config import Config
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.goals.goal import Goal
from fedlens.goals.success import TargetSamples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, train

if TYPE_CHECKING:
    from torch import Tensor

Sight = Literal["own", "team", "all"]
"""Whose honest updates of a round an attack is given: those of nobody else, of its team, or of every client."""

Boost = Literal["auto"] | Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class View:
    """The knowledge of a malicious client in a round in which it is chosen.

    Attributes:
        round: number of the round, from 1.
        weights: where to begin, shape ``[d]``; the update is the displacement from here. These are the global weights,
            or with pre-optimisation correction the estimate ŵ of where the others will take them.
        received: the global weights w_G^t, shape ``[d]``.
        alpha: weight α_m that its update will have in the average, as announced.
        mates_alpha: sum of the weights of its team's other members in this round's cohort; see `team_alpha`.
        place: its place in the team of all attackers, from 0, whether they are in the cohort or not.
        shard: its own samples.
        auxiliary: the target samples, which it wants misclassified; for a backdoor triggered copies of its own.
        goal: what it wants; ``None`` for target samples.
        local: how honest clients train.
        network: a working copy of the model, loaded with `weights`.
        address: where its random draws begin.
        history: earlier rounds in which it took part, as many as the attack `remembers`, latest last.
        others: the honest updates of other clients, of its team with the `sight` ``team``, shape ``[k - 1, d]``, of all
            with ``all``, shape ``[n - 1, d]``; else ``None``.
        log: numbers that the attack adds to the round's record.
        server: what it assumes of the server, if the attack `needs_rule`; else ``None``.
        classes: number of classes.

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
    goal: Goal | None = None
    others: Tensor | None = None
    log: dict[str, float] = field(default_factory=dict)
    mates_alpha: float = 0.0
    place: int = 0
    server: AssumedServer | None = None
    classes: int = 0

    @property
    def team_alpha(self) -> float:
        """Weight that the updates of all of its team in this round's cohort will have in the average together."""
        return self.alpha + self.mates_alpha

    def train(self) -> Tensor:
        """Train honestly; return the update ``[d]`` that an honest client would send."""
        return train(self.network, self.weights, self.shard, self.local, self.address)

    def wanted(self) -> Tensor:
        """Return the network's present log-probabilities of the target classes, shape ``[r]``, without dropout."""
        log_probabilities = self.network.log_probabilities(self.auxiliary.x)
        return log_probabilities.gather(1, self.auxiliary.target[:, None])[:, 0]

    def estimate(self) -> Tensor | None:
        """Return the others' part of the next step, δ̂, shape ``[d]``, or ``None`` at the first selection.

        The others are all other clients: it knows what it sent itself, but not what its team did.
        """
        return previous_step(self.history[-1], self.received, self.round) if self.history else None


class Attack(Config):
    """An attack's description; derive from it to bring your own and write `craft`, `poison` or `collude`.

    Attributes:
        client: the malicious client's index; the last one by default, as in the authors' configuration. For several,
            see the option ``attackers``.
        delay: behave honestly before this round (the first round is 1).
        until: behave honestly from this round on, so that the rounds of the attack are [delay, until).
        hold_off: behave honestly while the global model gives every target at least this confidence. The paper's 1 is
            reached only by rounding; 0.999 holds off more readily.
        boost: boosting factor λ; ``auto`` is 1/α_m, which cancels the averaging, and of several attackers in a round
            1/Σα_m over them.
        estimate: correct for the others by the previous step: ``pre`` starts from the estimate ŵ, ``post`` subtracts λ
            times the estimated update from what is sent.
        claim: how many times as many samples as it has the client says to have, in the rounds of the attack; whoever
            weighs by numbers of samples believes it, if the experiment's `sample_counts` are ``claimed``.

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

    sight: ClassVar[Sight] = "own"
    """Whose honest updates of the round the attack sees, as `View.others` or as a `Team`.

    A property, where it follows from an option.
    """

    omniscient: ClassVar[bool] = False
    """True if its sight is ``all``; a class may say so in place of `sight`, as in fedlens 0.1."""

    needs_rule: ClassVar[bool] = False
    """True if it tries the server's chain, as `Team.server` or `View.server`; see the option ``attackers.rule``."""

    needs_checks: ClassVar[bool] = False
    """True if it `needs_rule` and the rejecting checks before it, which it is given with a rule that is ``known``."""

    aims: ClassVar[bool] = False
    """True if it needs samples to be misclassified (`View.auxiliary`), which the goal of plain damage has not."""

    reach_logged_as: ClassVar[str] = ""
    """The number in its log that says how far it goes, if there is one; a red flag tells of 0 or below."""

    least_parts: ClassVar[int] = 0
    """The fewest parts that a backdoor's trigger has to have for it: 0 if target samples will do as well."""

    trains_trigger: ClassVar[bool] = False
    """True if it trains the trigger, which then has to be one that can be trained."""

    divided: ClassVar[bool] = True
    """True if ``auto`` boosting is 1/Σα, which takes a rule that divides by it."""

    remembers: ClassVar[int] = 0
    """Number of earlier rounds in `View.history`."""

    later: ClassVar[frozenset[str]] = frozenset({"claim"})

    keeping: ClassVar[str] = "let remembers say how many rounds it looks back on, and find them in view.history"

    client: NonNegativeInt | None = None
    delay: NonNegativeInt = 0
    until: PositiveInt | None = None
    hold_off: float | None = Field(default=None, gt=0, le=1)
    boost: Boost = "auto"
    estimate: Literal["pre", "post"] | None = None
    claim: PositiveFloat = 1.0

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Let `sight` and `omniscient` agree.

        Raises:
            TypeError: the class colludes, but its members see only their own.
        """
        if "sight" not in vars(cls) and "omniscient" in vars(cls):
            cls.sight = "all" if cls.omniscient else "own"
        if isinstance(cls.sight, property):
            cls.omniscient = property(lambda attack: attack.sight == "all")
        else:
            cls.omniscient = cls.sight == "all"
        if cls.sight == "own" and cls.collude is not Attack.collude:
            raise TypeError(
                f'{cls.__name__}: collude is for a team that sees more than each its own; add sight = "team"'
            )

    @model_validator(mode="after")
    def _window(self) -> Attack:
        if self.until is not None and self.until <= max(self.delay, 1):
            raise ValueError(
                f"until: no round is before {self.until} and not before delay = {self.delay}; "
                f"e.g. -o attack.until={max(self.delay, 1) + 1}"
            )
        return self

    @model_validator(mode="after")
    def _correcting(self) -> Attack:
        if self.colludes and self.estimate is not None:
            raise ValueError("estimate: only who crafts alone corrects what it sends; -o attack.estimate=null")
        return self

    @property
    def estimates(self) -> bool:
        """True if the attack uses `View.estimate`, whose error the simulator then records."""
        return self.estimate is not None

    @property
    def memory(self) -> int:
        """Number of its rounds that the simulator stores: at least one if it `estimates`."""
        return max(self.remembers, int(self.estimates))

    @property
    def poisons(self) -> bool:
        """True if the attack changes samples, and neither crafts nor corrects what comes of training on them."""
        cls = type(self)
        return cls.poison is not Attack.poison and cls.craft is Attack.craft and self.estimate is None

    @property
    def trains_honestly(self) -> bool:
        """True if what it sends is what a client's own software makes of the samples, client momentum included."""
        return self.poisons

    @property
    def colludes(self) -> bool:
        """True if the attack makes the updates of a team together."""
        return type(self).collude is not Attack.collude

    def poison(self, samples: Samples, member: Member, goal: TargetSamples) -> Samples:  # noqa: ARG002
        """Return the samples that a malicious client trains on in place of its own; by default, these.

        Args:
            samples: its own.
            member: the client; its `place` tells it from the others of its team.
            goal: the target samples.
        """
        return samples

    def craft(self, view: View) -> Tensor:
        """Return the update to send, shape ``[d]``: a displacement from `view.weights`.

        By default, it is λ times that of training on the client's samples, as `poison` left them; log the steps and λ.
        """
        return self.boosted(view.train(), view)

    def boosted(self, update: Tensor, view: View) -> Tensor:
        """Return an `update` (``[d]``) of honest training, its parameters multiplied by λ; log the steps and λ."""
        factor = self.factor(view.team_alpha)
        view.log.update(steps=view.local.steps_for(len(view.shard)), boost=factor)
        return boosted(update, factor, view.network.layout, weights_only=False)

    def collude(self, team: Team) -> Crafted:
        """Return the updates that the team's members send; where no class defines it, each of them crafts its own."""
        raise NotImplementedError

    def claimed(self, round_: int) -> float:
        """Return how many times its number of samples a malicious client says to have in a round; 1 if it is true."""
        return self.claim if self.delay <= round_ and (self.until is None or round_ < self.until) else 1.0

    def factor(self, alpha: float) -> float:
        """Return the boosting factor λ for an announced weight, as `View.team_alpha` or, alone, `View.alpha`."""
        return 1 / alpha if self.boost == "auto" else self.boost

    def corrected(self, view: View) -> Tensor:
        """Return the update of `craft`, shape ``[d]``, corrected by the estimate of the others if there is one."""
        estimate = view.estimate() if self.estimate else None
        if estimate is None:
            return self.craft(view)
        if self.estimate == "post":
            return self.craft(view) - self.correction(view, estimate)
        start = view.received + estimate
        view.network.load(start)
        return self.craft(replace(view, weights=start))

    def correction(self, view: View, estimate: Tensor) -> Tensor:
        """Return λ times the `estimate` of the others' update (``[d]``), but nothing of its buffers, which stay."""
        correction = self.factor(view.team_alpha) * estimate
        correction[len(view.network.vector) :] = 0
        return correction

    def waits(self, view: View) -> str | None:
        """Return why the attack behaves honestly in this round; ``None`` if it acts."""
        if view.round < self.delay:
            return "delay"
        if self.until is not None and view.round >= self.until:
            return "until"
        if self.hold_off is not None and bool(torch.all(view.wanted().exp() >= self.hold_off)):
            return "hold-off"
        return None
