"""What other attacks would send, as updates with which a search begins.

So what is found is, in simulation, at least as good as each of them. Explicit boosting and sign flipping are trained
once and taken at several boosting factors λ; alternating minimisation is taken as it is by default, and at the
predicted global model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import View
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.attacks.team import Team
from fedlens.data.dataset import Samples
from fedlens.goals.success import TargetSamples

if TYPE_CHECKING:
    from torch import Tensor

FACTORS = (0.2, 1.0, 2.0, 5.0)
"""Boosting factors beside 1/α."""
STEP_CAP = 200
"""Steps of explicit boosting at most; a search goes on from there."""
FEW_EPOCHS, FEW_BOOST = 2, 2.0
"""Of a short alternating minimisation, whose update is not much longer than an honest one."""


def warm_starts(team: Team, shard: Samples, targets: TargetSamples | None) -> Iterator[Tensor]:
    """Yield what other attacks would send, each of shape ``[d]``.

    Args:
        team: what is known.
        shard: samples to train on.
        targets: what is wanted; ``None`` for damage.
    """
    view = _view(team, shard, targets)
    factors = (*FACTORS, 1 / team.alpha)
    if targets is None:
        team.network.load(team.received)
        rising = ExplicitBoosting(objective="untargeted", boost=1, step_cap=STEP_CAP).craft(view)
        for update in (rising, -team.honest.mean(dim=0)):
            yield from (factor * update for factor in factors)
        return
    team.network.load(team.received)
    alone = ExplicitBoosting(boost=1, step_cap=STEP_CAP).craft(view)
    yield from (factor * alone for factor in factors)
    yield _alternating(view, AlternatingMinimisation(epochs=FEW_EPOCHS, boost=FEW_BOOST))
    yield _alternating(view, AlternatingMinimisation(evaluate_at="global"))
    if team.members[0].goal is not None:
        poisoned = DataPoisoning().poison(shard, team.members[0], targets)
        update = replace(view, shard=poisoned).train()
        yield from (factor * update for factor in factors)


def _alternating(view: View, attack: AlternatingMinimisation) -> Tensor:
    """Return what alternating minimisation sends, with no more benign batches in a turn than there are."""
    steps = view.local.over(attack.epochs).steps_for(len(view.shard))
    view.network.load(view.weights)
    return attack.model_copy(update={"ls": min(attack.ls, steps)}).craft(view)


def _view(team: Team, shard: Samples, targets: TargetSamples | None) -> View:
    """Return what a single attacker of the team's weight would see who has these samples."""
    first = team.members[0]
    return View(
        round=team.round,
        weights=team.received,
        received=team.received,
        alpha=team.alpha,
        shard=shard,
        auxiliary=team.auxiliary if targets is None else targets,
        local=team.local,
        network=team.network,
        address=team.address.at("warm starts"),
        goal=first.goal,
        classes=first.classes,
    )
