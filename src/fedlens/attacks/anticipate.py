"""Anticipation: try the server's chain on what the others may send, and send what is best there.

It is fedlens' own, of 2026. That attackers stand in for the others with what they have themselves is from M. Fang, X.
Cao, J. Jia and N. Z. Gong (USENIX Security 2020).

There is one program for every rule. With w the global weights, C the rejecting checks and A the chain, both as the
attackers know them (``attackers.rule``), and δ̂_j what others send in a simulated round s
(`fedlens.attacks.anticipation`),

    maximise over δ    mean_s U(g_s) + ½ min_s U(g_s),    g_s = w + A(C(δ, δ̂_{k+1}, …, δ̂_n)),

with the worth U of a global model from `fedlens.attacks.utility`. An update that is rejected or not selected is in no
g_s, and worth nothing: that needs no penalty and no constraint. The rule's code is only called. It need have no
gradient, and may be NumPy's. Directions come from the model's gradient at g (`fedlens.attacks.malicious_directions`),
lengths from a ladder (`fedlens.attacks.ladder`), and from one that is longer by as much as the server passes on less of
a very long update. It begins with the centre of what the others may send, with what other attacks would
(`fedlens.attacks.warm_starts`), so that in simulation it is never worse than those, and with updates that were trained
until they were of certain lengths.

Part of every attacker's shard is held back: no malicious step and no simulated client sees it, and the pool of it says
what accuracy an update costs. All of a team send the same update, or each its honest one, moved so that their mean is
that update, whichever is better.

Where the last step tells of the others, it first searches as if it did not: what is found there is one more start. The
better one knows the others, the less a search finds that begins near them, where the price of accuracy is steep.

Where no simulated round takes what was found, as where a rule selects one update and others may be anywhere, it
searches once more from the centre alone, near which rules take updates. If no round takes that either, it searches as
if it knew the place of the others (o = 0).

With `feedback`, the caution of the next round is 1.1 times as large if the last update came through, else 0.75 times:
that is, if the global model's worth was nearer to what was planned than to what was expected without the attackers.

It is greedy: it plans for the round. To judge an update by what is left of it after another round, in which all train
honestly, was tried under norm clipping (digits, 10 clients, 64 hidden units, 5 rounds, M = 1.5, 2 simulated rounds, 2
iterations, seeds 304 to 307; before others were expected by regression). Mean paired differences after round 5, with
95 % t-intervals:

- with the price of accuracy as it is: confidence +0.006 [-0.003, +0.015], accuracy 0.000 [-0.004, +0.004];
- with accuracy judged a round later, too: +0.128 [-0.018, +0.274], accuracy -0.036 [-0.068, -0.004], as clients repair
  in that round much of what it costs;
- that, beside a greedy attack with ``accuracy_limit`` 0.08, which costs as much (accuracy +0.003 [-0.016, +0.023]):
  +0.041 [+0.015, +0.066].

So about two thirds of what is gained is what more accuracy buys, and there is no option for the rest: each update that
is tried takes a local training more. Four seeds of one rule are few; other rules and data were not measured.

*Sees* the rule, and of honest updates its own, those of its team (the default) or all, which is an upper bound: then
nothing is simulated. Validation samples, root samples and random draws of the server are never known. Its log says what
it plans, so that it can be compared with what happens; planned figures are means over simulated rounds:

- ``utility`` (gain in nats before the price), ``idle`` (the same without the attackers), ``confidence`` (of what is
  wanted), ``accuracy_cost`` (a fraction; before any doubt);
- ``acceptance``: the share of simulated rounds in which some of its updates have a weight, or an effect where the chain
  knows no weights; ``rho``, ``caution``; ``calls`` of the chain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.attacks.anticipation import Others, SimulatedOthers, TrueOthers, anticipated
from fedlens.attacks.attack import Attack, Sight, View
from fedlens.attacks.known_samples import Known
from fedlens.attacks.ladder import Search, objective
from fedlens.attacks.malicious_directions import MaliciousDirections, along
from fedlens.attacks.simulated_rounds import SimulatedRounds
from fedlens.attacks.team import Crafted, Member, Team
from fedlens.attacks.utility import Price, Utility
from fedlens.attacks.warm_starts import warm_starts
from fedlens.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

BOLDER, SHYER = 1.1, 0.75
CAUTIONS = (0.25, 1.5)
"""What feedback leaves the caution between."""


class Anticipate(Attack):
    """The update that does best in simulated rounds, through the server's own chain and rejecting checks.

    Attributes:
        sees: whose honest updates it sees: its ``own``, so that every attacker plans alone; those of its ``team``; or
            ``all``, and then it simulates nobody.
        caution: factor of the simulated clients' deviations.
        bootstraps: simulated updates, of resamples of own samples.
        scenarios: simulated rounds.
        iterations: how often directions are taken anew.
        held_back: share of own samples by which accuracy is judged, and that nothing else uses.
        accuracy_limit: accuracy that may be lost for nothing, a fraction.
        accuracy_price: nats for each percent of accuracy beyond that.
        doubt: standard errors by which the loss of accuracy is taken for larger than it looks.
        confidence: log-odds are worth no more than those of this probability.
        warm_starts: whether to begin with what other attacks would send, too.
        feedback: whether the caution follows what became of the last update.
        boost: 1; the length is searched.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> attack = {"name": "anticipate", "bootstraps": 4, "scenarios": 2, "iterations": 1}
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 5}, "aggregation": {"name": "krum", "f": 1}}
        >>> [result] = simulate(Experiment(data="digits", attack=attack, **plan), engine="serial")
        >>> result.record.malicious.attack.log["acceptance"] > 0
        True
    """

    needs_rule: ClassVar[bool] = True
    needs_checks: ClassVar[bool] = True
    remembers: ClassVar[int] = 1

    sees: Sight = "team"
    caution: float = Field(default=0.85, gt=0, le=2)
    bootstraps: int = Field(default=10, ge=2)
    scenarios: PositiveInt = 6
    iterations: NonNegativeInt = 3
    held_back: float = Field(default=0.3, gt=0, lt=1)
    accuracy_limit: float = Field(default=0.02, ge=0, le=1)
    accuracy_price: NonNegativeFloat = 1.0
    doubt: NonNegativeFloat = 2.0
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    warm_starts: bool = True
    feedback: bool = True
    boost: Literal[1] = 1

    @property
    def sight(self) -> Sight:  # type: ignore[override]
        """What it sees: see `sees`."""
        return self.sees

    @override
    def craft(self, view: View) -> Tensor:
        """Return the update of one that plans alone, shape ``[d]``."""
        assert view.server is not None, "it needs the rule"
        member = Member(
            view.place, view.alpha, view.shard, view.address, view.history, view.goal, view.log, view.classes
        )
        alone = Team(
            round=view.round, received=view.received, members=(member,), honest=view.train()[None], others=None,
            cohort=view.server.cohort, auxiliary=view.auxiliary, local=view.local, network=view.network,
            address=view.address, server=view.server,
        )  # fmt: skip
        return self.collude(alone).updates[0]

    @override
    def collude(self, team: Team) -> Crafted:
        known = Known.of(team, self.held_back)
        price = Price(self.accuracy_limit, 100 * self.accuracy_price, self.doubt)
        utility = known.utility(team.network, price, self.confidence)
        caution = self._caution(team, utility)
        if team.others is None:
            others: Others = anticipated(team, known.shards, self.bootstraps, self.scenarios, caution)
        else:
            others = TrueOthers(team.others, len(team.network.vector))
        ways = MaliciousDirections(
            team.network, known.wanted, known.own, team.local, others.deviation, damage=known.damage
        )
        starts = [others.centre, others.centre / 2, torch.zeros_like(others.centre), team.honest.mean(dim=0)]
        if self.warm_starts:
            starts += warm_starts(team, known.own, known.targets)
            typical = float(team.honest[:, : len(team.network.vector)].norm(dim=1).mean())
            starts += ways.outward(team.received, typical, team.address.at("outward"))
        rounds, calls = SimulatedRounds(team, utility, others), 0
        if isinstance(others, SimulatedOthers) and others.mean.by_step:
            own = SimulatedRounds(team, utility, others.alone)
            starts.append(self._searched(own, ways, [own.others.centre, *starts[1:]])[0])
            calls += own.calls
        rows = self._searched(rounds, ways, starts)
        if isinstance(others, SimulatedOthers) and not rounds.acceptance(rows):
            rows, more = self._accepted(rounds, ways, rows)
            calls += more
        planned = rounds.planned(rows)
        for member in team.members:
            member.log.update(planned, rho=others.rho, caution=caution, calls=rounds.calls + calls)
        return Crafted(rows.clone())

    def _accepted(self, rounds: SimulatedRounds, ways: MaliciousDirections, rows: Tensor) -> tuple[Tensor, int]:
        """Search from the centre alone, given `rows` (``[k, d]``) that no round takes.

        Returns what is better, shape ``[k, d]``, and how often another chain than that of `rounds` was called for it.
        """
        team, others = rounds.team, rounds.others
        assert isinstance(others, SimulatedOthers)
        near = self._searched(rounds, ways, [others.centre])
        if rounds.acceptance(near):
            best = max(near, rows, key=lambda sent: objective(rounds.worths(sent)))
            return best, 0
        surer = SimulatedRounds(team, rounds.utility, replace(others, mean=replace(others.mean, error=0.0)))
        return self._searched(surer, ways, [others.centre]), surer.calls

    def _searched(self, rounds: SimulatedRounds, ways: MaliciousDirections, starts: list[Tensor]) -> Tensor:
        """Return the members' updates that do best in simulated rounds, shape ``[k, d]``."""
        team, centre = rounds.team, rounds.others.centre
        count, deviation = len(team.network.vector), rounds.others.deviation
        unit = float(deviation.norm()) or float(centre.norm()) or 1.0
        search = Search(
            rounds.worth, rounds.others.count, [torch.cat([start[:count], centre[count:]]) for start in starts]
        )
        for iteration in range(self.iterations):
            best, address = search.best.update, team.address.at("directions", iteration)
            for direction in (*along(best, count), *ways.at(rounds.mean_model(best), address)):
                search.climb(direction, unit)
                leak = rounds.leak(search.best.update, direction, unit)
                if leak:
                    search.climb(direction, unit / leak)
        search.shorten(centre)
        same, apart = rounds.same(search.best.update), search.best.update + team.honest - team.honest.mean(dim=0)
        if len(team.members) > 1 and objective(rounds.worths(apart)) > search.best.value:
            return apart
        return same

    def _caution(self, team: Team, utility: Utility) -> float:
        """Return the round's caution."""
        last = team.members[0].history[-1:]
        if not self.feedback or not last or "caution" not in last[0].log:
            return self.caution
        caution = float(last[0].log["caution"])
        if last[0].round < team.round - 1:  # nobody saw what became of it
            return caution
        team.network.load(team.received)
        real, _ = utility.gain()
        came = abs(real - last[0].log["utility"]) <= abs(real - last[0].log["idle"])
        return min(max(caution * (BOLDER if came else SHYER), CAUTIONS[0]), CAUTIONS[1])
