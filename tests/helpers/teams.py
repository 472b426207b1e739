"""A federation in which both sides have much to remember: a team that tries the rule, and a chain that keeps state."""

from typing import Any

import torch
from small import small

from fedlens.attacks.adaptive_ipm import AdaptiveIpm
from fedlens.attacks.team import Crafted, Team


class Persists(AdaptiveIpm):
    """Counts the team's rounds, sends as many times what would be best, and logs what it expects of that.

    Its members remember what they sent last, too.
    """

    remembers = 1

    def collude(self, team: Team) -> Crafted:
        count = team.state.get("count", torch.zeros(())) + 1
        sent = count * super().collude(team).updates
        assert team.others is not None
        assert team.server is not None
        expected = float(team.server.step(torch.cat([team.others, sent])).norm())
        for member in team.members:
            member.log.update(count=float(count), remembered=len(member.history), expected=expected)
        return Crafted(sent, {"count": count})


STATEFUL: dict[str, Any] = {
    "clients": 8,
    "fraction": 0.625,
    "rounds": 4,
    "model": "census-mlp",
    "attackers": {"clients": [0, 3, 6], "schedule": "every-round", "server_state": "known"},
    "aggregation": [{"name": "clip", "max_norm": 2}, "foolsgold", "fedavgm"],
}
"""Five clients a round, three of them attackers who know what the chain keeps, of each client and altogether."""

PERSISTENT = small(name="persistent", attack=Persists(candidates=(0.5, 2)), **STATEFUL)
