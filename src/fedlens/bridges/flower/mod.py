"""A malicious node in a user's own Flower app, which is not touched: a mod, and an app around the app.

The node trains honestly by the user's app, once; metrics, buffers and counters of its answer stay. In place of its
weights goes what an attack of fedlens makes of what such a client sees: w_G^t + δ_m, with the δ_m of `Attack.craft`.

What a client cannot know is its weight α_m in the average. It is `alpha`, or else one of the ``num-partitions`` of the
node's configuration. It can *make* its weight, as Flower's strategies believe the number of samples that a client says
to have: with `claim` = c times as many as are true, of n clients that are alike, α_m = c / (n − 1 + c), and of
a team of k that all do so, c / (n − k + k c) each.

This is for testing federations of one's own. It acts in the process of the node's operator alone, and logs a warning in
every round in which it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

import torch
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp
from torch import Tensor

from fedlens.attacks.attack import Attack
from fedlens.attacks.estimation import Observation
from fedlens.attacks.team import Member
from fedlens.bridges.flower.claiming import announced, claim_in, claimed_by, examples_in, weight
from fedlens.bridges.flower.fitting import Fit, Make
from fedlens.bridges.flower.remembering import remember, remembered, round_of
from fedlens.bridges.flower.replies import USUAL_KEY, arrays_of, name_of_arrays
from fedlens.bridges.flower.suiting import require_suitable
from fedlens.bridges.flower.view import FlowerView, NoSamples, as_samples, as_targets, fitted
from fedlens.core.errors import ClientError, ConfigError, FedlensError, shortened
from fedlens.core.origin import told
from fedlens.core.random import Address, seeded
from fedlens.core.registry import build, name_of
from fedlens.data.dataset import Samples
from fedlens.goals.goal import Goal
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.success import TargetSamples
from fedlens.training.local import LocalTraining

log = logging.getLogger("fedlens")


@dataclass(frozen=True)
class Act:
    """What a malicious node did in a round.

    Attributes:
        round: its number.
        node: Flower's number of the node.
        reason: why it was honest; ``None`` if it attacked.
        log: numbers that the attack logged.
        claimed: on how many samples it says that it trained, if it lies about that.

    Example:
        >>> from fedlens.bridges.flower import Act
        >>> Act(round=1, node=7, reason="delay").claimed is None
        True
    """

    round: int
    node: int
    reason: str | None = None
    log: Mapping[str, Any] = field(default_factory=dict)
    claimed: float | None = None


class Malicious:
    """A mod by which a node of a Flower federation attacks; see `Attacked` for one around a whole app.

    Args:
        attack: any attack that sees only its own, or its name.
        when: tells, by a node's context, whether the node is malicious.
        model: makes the client's module, or is one. Arrays are matched by the names of its ``state_dict``, or else by
            their places.
        targets: inputs to be misclassified, shape ``[r, ...]``, their true classes and those wanted, shape ``[r]``.
        goal: what it wants in place of targets, such as a backdoor; needs `data`.
        data: gives a node's samples, for attacks that look at them.
        alpha: the weight α_m that the update will have in the average; by default 1/``num-partitions``.
        claim: how many times its true number of samples the node says to have, or a function of that number; by
            default the attack's own `claim`.
        team: how many nodes attack, each by itself, so that together they do not boost several times as far.
        start: where an attack begins: at what was ``received``, or where the app's own training ended (``trained``), so
            that what is sent is both; then it unlearns nothing, and stays when the target is met already.
        local: how malicious training is done; where an attack trains honestly, the user's app does that.
        key: the metric that holds the number of samples.
        seed: where the attack's random draws begin.

    Attributes:
        attack: the attack.
        acts: what was done in this process, latest last.

    Raises:
        ConfigError: a node cannot make this attack, or something that it needs is missing.

    Example:
        >>> import torch
        >>> from flwr.clientapp import ClientApp
        >>> from fedlens.bridges.flower import Malicious
        >>> targets = (torch.rand(1, 4), torch.tensor([0]), torch.tensor([2]))
        >>> last = lambda context: context.node_config["partition-id"] == 9
        >>> mod = Malicious("explicit-boosting", model=lambda: torch.nn.Linear(4, 3), targets=targets, when=last)
        >>> app = ClientApp(mods=[mod])
        >>> mod.attack.boost, mod.acts
        ('auto', [])
    """

    def __init__(
        self,
        attack: Attack | Mapping[str, Any] | str,
        *,
        when: Callable[[Context], bool],
        model: Make,
        targets: TargetSamples | tuple[Tensor, Tensor, Tensor] | None = None,
        goal: Goal | Mapping[str, Any] | str | None = None,
        data: Callable[[Context], Samples | tuple[Tensor, Tensor]] | None = None,
        alpha: float | None = None,
        claim: float | Callable[[float], float] | None = None,
        team: int = 1,
        start: Literal["received", "trained"] = "received",
        local: LocalTraining | None = None,
        key: str = USUAL_KEY,
        seed: int = 0,
    ) -> None:
        self.attack: Attack = build("attack", attack, Attack)
        self.goal = None if goal is None else build("goal", goal, Goal)
        self.targets = None if targets is None else as_targets(targets)
        require_suitable(self.attack, self.goal, targets=targets is not None, data=data is not None)
        if alpha is not None and not 0 < alpha <= 1:
            raise ConfigError(f"alpha: is {shortened(alpha)}; a share above 0, at most 1, is right, e.g. alpha=0.1")
        if isinstance(claim, int | float) and not (claim > 0 and isfinite(claim)):
            raise ConfigError(f"claim: is {shortened(claim)}; a factor above 0 is right, e.g. claim=100")
        if start == "trained" and self.attack.estimate is not None:
            raise ConfigError("start: an attack with an estimate begins at what was received; e.g. start='received'")
        if team < 1:
            raise ConfigError(f"team: is {team}; at least one node attacks, e.g. team=1")
        self.when, self.model, self.data = when, model, data
        if claim is None and self.attack.claim != 1:
            claim = self.attack.claim
        self.alpha, self.claim, self.team, self.start = alpha, claim, team, start
        self.local, self.key = local or LocalTraining(), key
        self.address = Address.root(seed).at("flower")
        self.acts: list[Act] = []

    @property
    def name(self) -> str:
        """The attack's name."""
        return name_of("attack", self.attack)

    def __call__(self, message: Message, context: Context, call_next: Callable[[Message, Context], Message]) -> Message:
        """Answer a message as the user's app does, but for a malicious node that is to train.

        Raises:
            ClientError: the attack failed.
            ConfigError: the model does not fit, or something that the attack needs is missing.
        """
        if message.metadata.message_type.partition(".")[0] != "train" or not self.when(context):
            return call_next(message, context)
        sent = arrays_of(message.content.array_records[name_of_arrays(message.content)])
        round_ = round_of(message, context)
        answer = call_next(message, context)
        if answer.has_error():
            log.warning("round %d: the app of malicious node %d failed, so that it sends that", round_, context.node_id)
            self.acts.append(Act(round_, context.node_id, "error"))
            return answer
        try:
            with seeded(self.address.at(context.node_id, round_)):
                self._attack(sent, answer.content, context, round_)
        except FedlensError:
            raise
        except Exception as error:
            raise ClientError(
                f"{self.name} failed at node {context.node_id} in round {round_}: {told(error)}"
            ) from error
        return answer

    def _attack(self, sent: Mapping[str, Any], answer: RecordDict, context: Context, round_: int) -> None:
        """Put what the attack makes in the place of an honest answer."""
        name = name_of_arrays(answer)
        honest, count = arrays_of(answer.array_records[name]), examples_in(answer, self.key)
        claimed = None if self.claim is None else claimed_by(self.claim, count, self.key)
        fit, alpha = Fit.of(self.model, sent), announced(weight(self.alpha, context), count, claimed, self.team)
        weights = fit.row(sent)
        view = self._view(fit, weights, fit.row(honest) - weights, alpha, (context, round_))
        assert view.honest is not None
        reason, update = self._waits(view), view.honest
        if reason is None:
            update = self._crafted(view)
            update[len(view.network.vector) :] = view.honest[len(view.network.vector) :]
            arrays = fit.changed(sent, update, honest)
            answer[name] = ArrayRecord({key: Array(array) for key, array in arrays.items()})
            if claimed is not None:
                claim_in(answer, self.key, claimed)
        if self.attack.memory:
            now = Observation(round_, alpha, view.received, update, dict(view.log))
            remember(context, [*view.history, now][-self.attack.memory :])
        self._tell(Act(round_, context.node_id, reason, dict(view.log), claimed if reason is None else None), update)

    def _crafted(self, view: FlowerView) -> Tensor:
        """Return a copy of the update that the attack crafts, shape ``[d]``.

        Raises:
            ClientError: it is of another shape.
        """
        if type(self.attack).poison is not Attack.poison:
            member = Member(0, view.alpha, view.shard, view.address, view.history, view.goal, view.log, view.classes)
            view = replace(view, shard=self.attack.poison(view.shard, member, view.auxiliary), poisoned=True)
        trained = view.honest if self.start == "trained" else None
        if trained is not None:
            view = replace(view, weights=view.received + trained)
            view.network.load(view.weights)
        update = self.attack.corrected(view)
        if update.shape != view.weights.shape:
            made, right = list(update.shape), list(view.weights.shape)
            raise ClientError(f"attack: {self.name} made an update of shape {made}; {right} is right")
        return update.detach().clone() if trained is None else update.detach() + trained

    def _view(self, fit: Fit, weights: Tensor, honest: Tensor, alpha: float, when: tuple[Context, int]) -> FlowerView:
        """Return what the node sees in a context and round, which received `weights` and would send `honest`."""
        context, round_ = when
        shard = NoSamples() if self.data is None else as_samples(self.data(context), "data")
        address = self.address.at(context.node_id, round_)
        seen = self.targets.x if self.targets is not None else None if self.data is None else shard.x
        classes = 0 if seen is None else fit.network.log_probabilities(seen[:1]).shape[1]
        goal = None if self.goal is None else fitted(self.goal, shard, classes)
        if self.targets is not None:
            auxiliary = self.targets
        elif goal is not None:
            auxiliary = malicious_samples(goal, shard, classes, address.at("goal"))
        else:
            none = torch.zeros(0, dtype=torch.int64)
            auxiliary = TargetSamples(torch.zeros(0), none, none, none)
        return FlowerView(
            round=round_,
            weights=weights,
            received=weights.clone(),
            alpha=alpha,
            shard=shard,
            auxiliary=auxiliary,
            local=self.local.in_round(round_),
            network=fit.network,
            address=address,
            history=remembered(context) if self.attack.memory else (),
            goal=goal,
            mates_alpha=(self.team - 1) * alpha,
            classes=classes,
            honest=honest,
        )

    def _waits(self, view: FlowerView) -> str | None:
        """Say why the node is honest in this round; ``None`` if it is not."""
        if view.goal is not None and view.goal.asks and not len(view.auxiliary.index):
            return "no samples"
        return self.attack.waits(view)

    def _tell(self, act: Act, update: Tensor) -> None:
        """Note and log what was done."""
        self.acts.append(act)
        who = f"round {act.round}: malicious node {act.node}"
        if act.reason is not None:
            log.warning("%s is honest (%s)", who, act.reason)
            return
        boost = f", boosted {act.log['boost']:g} times" if "boost" in act.log else ""
        claim = "" if act.claimed is None else f"; it says to have {act.claimed:,.10g} samples"
        log.warning("%s sends an update of %s%s%s", who, self.name, boost, claim)
        if not bool(torch.isfinite(update).all()):
            log.warning("%s: the attack has diverged", who)


class Attacked(ClientApp):
    """A user's client app in which some nodes are malicious; it is called as the app itself, by Flower or by `play`.

    Args:
        app: the user's, of the Message API or made from a ``client_fn``; it is not changed.
        malicious: who attacks, and how.

    Example:
        >>> import torch
        >>> from flwr.clientapp import ClientApp
        >>> from fedlens.bridges.flower import Attacked, Malicious
        >>> app, net = ClientApp(), lambda: torch.nn.Linear(4, 3)
        >>> targets = (torch.rand(1, 4), torch.tensor([0]), torch.tensor([2]))
        >>> last = lambda context: context.node_config["partition-id"] == 9
        >>> evil = Attacked(app, Malicious("explicit-boosting", model=net, targets=targets, when=last))
        >>> isinstance(evil, ClientApp)
        True
    """

    def __init__(self, app: Callable[[Message, Context], Message], malicious: Malicious) -> None:
        super().__init__()
        self.app, self.malicious = app, malicious

    def __call__(self, message: Message, context: Context) -> Message:
        """Answer a message."""
        return self.malicious(message, context, self.app)
