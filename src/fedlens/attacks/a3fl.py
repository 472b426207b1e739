"""A3FL: a backdoor whose trigger is trained, also against a model that has unlearnt it.

H. Zhang, J. Jia, J. Chen, L. Lin and D. Wu, *A3FL: Adversarially Adaptive Backdoor Attacks to Federated Learning*
(NeurIPS 2023). In every round the attackers train the patch v that is put into inputs (x ⊕ v), then poison with it:

    min_v  ℓ(w; x ⊕ v, τ) + λ ℓ(w'; x ⊕ v, τ),    v ← v − s · sign(∇_v), within the range of inputs,
    w' = argmin ℓ(·; x ⊕ v, y),    λ = λ₀ · cos(w', w),

where w are the global weights and w' those of a model that has unlearnt the trigger: it is trained from w to give
triggered inputs their true classes y. So the trigger is to work even once the server has learnt to ignore it.

The authors' code has 200 steps of s = 0.01, λ₀ = 0.01, 5 epochs for w' anew before each step, and a quarter of the
samples poisoned (`goal.share`). Deviations: each step takes a batch, not all samples; the cosine is one of all
parameters, where their code compares gradients of convolutions; and w' is trained anew every `unlearn_every` steps.

The team shares the trigger, and pools its members' samples to train that; nothing else of other clients is seen. The
patch is kept from round to round. It goes with the trigger `fedlens.goals.trained_patch`; success is measured with the
patch of the round, in the benign twin too, since a patch that works on a clean model is none of the attack's doing; the
option `hold_off` alone looks at the patch as it was before anybody trained it. Any number of clients and attackers will
do.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PositiveFloat, PositiveInt
from typing_extensions import override

from fedlens.attacks.attack import Attack, Boost, Sight
from fedlens.attacks.boosting import boosted
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.core.lazy import functional, torch
from fedlens.data.dataset import Samples
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.goal import NOTHING
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.trained_patch import KEY, TrainedPatch
from fedlens.models.network import Network
from fedlens.training.local import batches, train

if TYPE_CHECKING:
    from torch import Tensor


def trigger_gradient(network: Network, trigger: TrainedPatch, pixels: Tensor, samples: Samples) -> Tensor:
    """Compute the gradient of ℓ(x ⊕ v, y) with respect to the pixels v, shape ``[channels, size, size]``.

    Args:
        network: the model, with dropout off.
        trigger: says where the pixels are.
        pixels: v.
        samples: inputs x with the classes y that are wanted of them.
    """
    variable = pixels.detach().clone().requires_grad_()
    with torch.enable_grad():
        loss = functional.cross_entropy(network.module(trigger.put(samples.x, variable)), samples.y)
    (gradient,) = torch.autograd.grad(loss, variable)
    return gradient


class A3FL(Attack):
    """Training on samples with a trigger that the team trains first, also against a model that has unlearnt it.

    Attributes:
        steps: steps of the trigger's training in a round.
        rate: what a step changes a pixel by (s).
        balance: λ₀; with 0 the trigger is trained against the global model alone.
        unlearn_epochs: passes over the samples for w'.
        unlearn_every: steps from one w' to the next.
        boost: 1; ``auto`` replaces the global model.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> goal = {"name": "backdoor", "trigger": {"name": "trained-patch", "size": 3}}
        >>> attack = {"name": "a3fl", "steps": 5, "unlearn_epochs": 1, "unlearn_every": 5}
        >>> plan = {"data": "digits", "rounds": 1, "control": False, "local": {"epochs": 1}}
        >>> [result] = simulate(Experiment(goal=goal, attack=attack, **plan), engine="serial")
        >>> result.state.team["trigger"].shape
        torch.Size([1, 3, 3])
    """

    sight: ClassVar[Sight] = "team"
    aims: ClassVar[bool] = True
    least_parts: ClassVar[int] = 1
    trains_trigger: ClassVar[bool] = True

    boost: Boost = 1
    steps: PositiveInt = 200
    rate: PositiveFloat = 0.01
    balance: float = Field(default=0.01, ge=0)
    unlearn_epochs: PositiveFloat = 5
    unlearn_every: PositiveInt = 1

    @override
    def collude(self, team: Team) -> Crafted:
        goal = team.members[0].goal
        assert isinstance(goal, Backdoor), "it needs a trigger"
        assert isinstance(goal.trigger, TrainedPatch), "it trains the trigger"
        pixels = self._trained(team, goal, goal.trigger.trained(team.state))
        state = {KEY: pixels}
        planted = goal.trained(state)
        return Crafted(torch.stack([self._update(team, member, planted) for member in team.members]), state)

    def _trained(self, team: Team, goal: Backdoor, trigger: TrainedPatch) -> Tensor:
        """Return the pixels after a round's training."""
        x, y = (torch.cat([getattr(member.shard, name) for member in team.members]) for name in ("x", "y"))
        asked = goal.wanted(y) != NOTHING
        samples, pixels = Samples(x[asked], y[asked]), trigger.pixels(x)
        plan = team.local.model_copy(
            update={"epochs": None, "steps": self.steps, "replacement": False, "augmentation": ()}
        )
        team.network.load(team.received)
        for number, batch in enumerate(batches(samples, plan, team.address.at("trigger"))):
            wanted = Samples(batch.x, goal.wanted(batch.y))
            gradient = trigger_gradient(team.network, trigger, pixels, wanted)
            if self.balance:
                if number % self.unlearn_every == 0:
                    unlearnt = self._unlearnt(team, trigger, pixels, samples, number)
                    nearness = functional.cosine_similarity(unlearnt.vector, team.network.vector, dim=0)
                    weight = self.balance * float(nearness.detach())
                gradient = gradient + weight * trigger_gradient(unlearnt, trigger, pixels, wanted)
            pixels = trigger.clamped(pixels - self.rate * gradient.sign())
        return pixels

    def _unlearnt(self, team: Team, trigger: TrainedPatch, pixels: Tensor, samples: Samples, number: int) -> Network:
        """Return a model that is trained to take triggered inputs for what they are."""
        network = Network(deepcopy(team.network.module))
        plan, address = team.local.over(self.unlearn_epochs), team.address.at("unlearning", number)
        train(network, team.received, Samples(trigger.put(samples.x, pixels), samples.y), plan, address)
        return network

    def _update(self, team: Team, member: Member, planted: Backdoor) -> Tensor:
        """Return what a member sends, shape ``[d]``; log its steps and λ."""
        triggered = malicious_samples(planted, member.shard, member.classes, member.address.at("goal"))
        shard = DataPoisoning().poison(member.shard, member, triggered)
        factor = self.factor(team.alpha)
        member.log.update(steps=team.local.steps_for(len(shard)), boost=factor)
        update = train(team.network, team.received, shard, team.local, member.address)
        return boosted(update, factor, team.network.layout, weights_only=False)
