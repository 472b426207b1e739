"""Chameleon: a backdoor that lasts because triggered inputs look like the target class to the encoder.

Y. Dai and S. Li, *Chameleon: Adapting to Peer Images for Planting Durable Backdoors in Federated Learning* (ICML 2023).
The model is an encoder and a classifier. From the global weights, the attacker trains on the poisoned shard

1. the encoder, by supervised contrastive learning (Khosla et al., NeurIPS 2020), with z the encoder's output at unit
   length, P(i) the other samples in the batch that have the label of i, and T the temperature:

       ℓ_i = −1/|P(i)| Σ_{p ∈ P(i)} log( exp(z_i·z_p / T) / Σ_{a ≠ i} exp(z_i·z_a / T) ),

   where samples labelled as the target class count ω times. With ω = 1 it is the plain loss;
2. the classifier, by the clients' loss, with the encoder frozen,

and projects the update to ‖δ‖₂ ≤ ε after each phase. The paper's T is 0.07, ε 5, and the first phase has 10 epochs at a
rate of 0.005 to 0.015; that ω is greater than 1 is all that we know of it, and 2 is our default.

The classifier is the last linear layer of the model, which all of fedlens' models have, and the encoder everything
before. Deviations: samples have no second, augmented view, so that the only one of its label in a batch is no anchor;
the shard is the attacker's own, peer images included.

It sees its own samples alone. Any number of clients and attackers will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveFloat
from typing_extensions import override

from fedlens.attacks.attack import Boost, View
from fedlens.attacks.boosting import boosted
from fedlens.attacks.pgd import keep_within
from fedlens.attacks.poisoned_training import PoisonedTraining, Steering, steered
from fedlens.core.errors import ConfigError
from fedlens.core.lazy import functional, nn, torch
from fedlens.models.network import Network
from fedlens.training.local import batches

if TYPE_CHECKING:
    from torch import Tensor


def contrastive(embedding: Tensor, labels: Tensor, temperature: float, counts: Tensor) -> Tensor:
    """Compute the mean over anchors of `counts` times the supervised contrastive loss; 0 where there is no anchor.

    Args:
        embedding: shape ``[n, h]``.
        labels: shape ``[n]``.
        temperature: T.
        counts: how often each sample counts, shape ``[n]``.
    """
    unit = functional.normalize(embedding, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    log_shares = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    positive = (labels[:, None] == labels) & ~itself
    number = positive.sum(dim=1)
    anchors = number > 0
    if not bool(anchors.any()):
        return embedding.sum() * 0
    losses = -torch.where(positive, log_shares, 0).sum(dim=1)[anchors] / number[anchors]
    return (counts[anchors] * losses).mean()


def classifier_of(network: Network) -> tuple[str, nn.Linear]:
    """Return the network's last linear layer and its name.

    Raises:
        ConfigError: it has none, or nothing before.
    """
    layers = [(name, layer) for name, layer in network.module.named_modules() if isinstance(layer, nn.Linear)]
    if not layers or all(part.layer == layers[-1][0] for part in network.layout.parameters.slices):
        raise ConfigError(
            "attack: chameleon needs an encoder and, behind it, a linear layer; e.g. -o model=tiny, or -o attack=pgd"
        )
    return layers[-1]


class Chameleon(PoisonedTraining):
    """Contrastive training of the encoder on poisoned samples, then training of the classifier alone.

    Attributes:
        temperature: T of the contrastive loss.
        weight: ω: how often samples labelled as the target class count in it.
        encoder_epochs: passes over the poisoned shard in the first phase.
        encoder_learning_rate: learning rate in it; by default that of honest clients.
        epochs: passes in the second phase; by default as many as those of honest clients over their shard.
        learning_rate: learning rate in it; by default that of honest clients.
        radius: ε, the L2 norm that the update may have before boosting.
        boost: 1; ``auto`` replaces the global model.
        data_rep: copies of each target sample; of a backdoor's samples, ``goal.share`` says how many there are.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> from fedlens.attacks import Chameleon
        >>> attack, plan = Chameleon(encoder_epochs=2), {"control": False, "local": {"epochs": 1}}
        >>> experiment = Experiment(data="digits", rounds=1, goal="backdoor", attack=attack, **plan)
        >>> [result] = simulate(experiment, engine="serial")
        >>> log = result.record.malicious.attack.log
        >>> log["encoder_steps"], log["steps"]
        (6, 3)
    """

    temperature: PositiveFloat = 0.07
    weight: float = Field(default=2.0, ge=1)
    encoder_epochs: PositiveFloat = 10
    encoder_learning_rate: PositiveFloat | None = None
    radius: PositiveFloat = 5.0
    boost: Boost = 1

    @override
    def craft(self, view: View) -> Tensor:
        network, plan = view.network, self._plan(view.local)
        name, classifier = classifier_of(network)
        steps = self._train_encoder(view, classifier)
        keep_within(network, view.weights, self.radius, "l2")
        free = torch.zeros_like(network.vector, dtype=torch.bool)
        for part in network.layout.parameters.slices:
            free[part.start : part.stop] = part.layer == name

        def gradient() -> None:
            network.gradient.mul_(free)

        steered(network, network.state(), view.shard, plan, view.address, steering=Steering(gradient))
        keep_within(network, view.weights, self.radius, "l2")
        factor = self.factor(view.team_alpha)
        view.log.update(encoder_steps=steps, steps=plan.steps_for(len(view.shard)), boost=factor)
        return boosted(network.state() - view.weights, factor, network.layout, weights_only=False)

    def _train_encoder(self, view: View, classifier: nn.Linear) -> int:
        """Train what is before the classifier from the view's weights; return the number of steps."""
        network, wanted = view.network, view.auxiliary.target
        plan = view.local.over(self.encoder_epochs)
        if self.encoder_learning_rate is not None:
            plan = plan.model_copy(update={"learning_rate": self.encoder_learning_rate})
        seen: list[Tensor] = []
        handle = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            network.load(view.weights)
            optimizer, address = plan.new_optimizer(network), view.address.at("encoder")
            with network.training(address):
                for batch in batches(view.shard, plan, address):
                    seen.clear()
                    network.gradient.zero_()
                    network.module(batch.x.clone())
                    counts = torch.where(torch.isin(batch.y, wanted), self.weight, 1.0)
                    contrastive(seen[0].flatten(1), batch.y, self.temperature, counts).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
        finally:
            handle.remove()
        return plan.steps_for(len(view.shard))
