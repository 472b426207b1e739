"""What attackers anticipate of others, how a search goes through a landscape, and what models are worth to them."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, cloud
from teams import a_team
from torch import Tensor, nn

from fedlens.attacks.anticipation import SimulatedOthers, TrueOthers, anticipated, shrinkage
from fedlens.attacks.estimation import Observation
from fedlens.attacks.ladder import Search, objective
from fedlens.attacks.others_mean import OthersMean
from fedlens.attacks.team import Member
from fedlens.attacks.utility import Price, Utility, Worth
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, train

FEATURES, SIZE = 60, 40
TRUTH = cloud(FEATURES, seed=4).float() / 8
PLAN = LocalTraining(steps=1, batch_size=1000, optimizer="sgd", learning_rate=1.0)


def shard(seed: int) -> Samples:
    """Samples of two classes; a step of gradient descent moves the difference of their rows by the mean of ±x."""
    y = torch.arange(SIZE) % 2
    return Samples(cloud(SIZE, FEATURES, seed=seed).float() + (2 * y[:, None] - 1) * TRUTH, y)


def federation(seed: int) -> tuple[Any, Tensor]:
    """A team of one, and what nine others send."""
    network = Network(nn.Linear(FEATURES, 2, bias=False))
    start = torch.zeros(2 * FEATURES)
    shards = [shard(1000 * seed + client) for client in range(10)]
    sent = torch.stack([train(network, start, samples, PLAN, ADDRESS) for samples in shards])
    member = Member(0, 0.1, shards[0], ADDRESS, log={})
    team = a_team(sent[:1], cohort=10, network=network, local=PLAN, members=(member,), address=Address.root(seed))
    return team, sent[1:]


def test_spearman_and_brown() -> None:
    # cos 60° = 1/2: of the whole 2 · ½ / (1 + ½), of the same half (part ½) the correlation itself.
    one, two = torch.tensor([1.0, 0]), torch.tensor([0.5, 3**0.5 / 2])
    assert shrinkage(one, two) == pytest.approx(2 / 3)
    assert shrinkage(one, two, 0.5) == pytest.approx(1 / 2)
    assert shrinkage(one, -two) == 0
    assert shrinkage(one, torch.zeros(2)) == 0


@pytest.fixture(scope="module")
def rounds() -> list[tuple[SimulatedOthers, Tensor]]:
    made = []
    for seed in range(1, 13):
        team, sent = federation(seed)
        made.append((anticipated(team, [team.members[0].shard], 10, 2, 1.0), sent))
    return made


def test_the_factor_and_the_spread_are_those_of_the_others(rounds: Any) -> None:
    estimated, best, ratios = [], [], []
    for others, sent in rounds:
        centre, mean = others.bootstraps.mean(dim=0), sent.mean(dim=0)
        estimated.append(others.rho)
        best.append(float(centre @ mean / centre.square().sum()))
        simulated, real = (torch.pdist(rows).square().mean().sqrt() for rows in (others.rows(0), sent))
        ratios.append(float(simulated / real))
    assert sum(estimated) / 12 == pytest.approx(sum(best) / 12, abs=0.15)
    assert 0.2 < sum(best) / 12 < 0.8, "so that shrinking matters"
    assert sum(ratios) / 12 == pytest.approx(1, abs=0.15)


def test_simulated_others_by_hand() -> None:
    rows = torch.tensor([[2.0, 0.0, 7.0], [4.0, 0.0, 9.0]])
    others = SimulatedOthers(rows, 2, OthersMean(torch.tensor([1.5, 0]), 1.5, 0.5), 1.0, 5, 2, Address.root(1))
    # The buffer's mean is 8; deviations are ±1 · √2, the offset 1.5.
    assert others.rho == 0.5
    assert others.centre.tolist() == [1.5, 0, 8]
    assert others.deviation.tolist() == pytest.approx([2**0.5, 0])
    made = others.rows(0)
    assert made.shape == (5, 3)
    assert made[:, 1].tolist() == [0] * 5
    assert made[:, 2].tolist() == [8] * 5
    assert abs(float(made[:2, 0].mean()) - 1.5) == pytest.approx(1.5)
    assert abs(float(made[0, 0] - made[1, 0])) == pytest.approx(2 * 2**0.5)
    assert torch.equal(made, others.rows(0))
    assert not torch.equal(made, others.rows(1))


def test_the_last_step_brings_the_centre_nearer_to_the_others() -> None:
    errors, expected = torch.zeros(2), torch.zeros(2)
    for seed in range(1, 5):
        team, sent = federation(seed)
        # The round before, of others' other samples.
        shards = [shard(500 + 10 * seed + client) for client in range(9)]
        step = torch.stack([train(team.network, team.received, samples, PLAN, ADDRESS) for samples in shards])
        seen = Observation(0, 0.1, team.received - step.mean(dim=0), torch.zeros(2 * FEATURES))
        told = replace(team, members=(replace(team.members[0], history=(seen,)),))
        both = [anticipated(each, [team.members[0].shard], 4, 1, 1.0) for each in (team, told)]
        errors += torch.stack([(others.centre - sent.mean(dim=0)).norm() for others in both])
        expected += torch.tensor([others.mean.error for others in both])
    assert errors[1] < 0.8 * errors[0]
    assert expected[1] < 0.8 * expected[0]


def test_true_others_are_what_they_send() -> None:
    others = TrueOthers(torch.tensor([[1.0, 5.0], [3.0, 7.0]]), 1)
    assert others.centre.tolist() == [2, 6]
    assert others.deviation.tolist() == [1]
    assert others.rows(3).tolist() == [[1, 5], [3, 7]]


def test_a_team_s_own_distance_is_the_others_spread() -> None:
    team, _ = federation(1)
    members = tuple(Member(place, 0.1, shard(70 + place), ADDRESS.at(place), log={}) for place in range(2))
    honest = torch.stack([torch.ones(2 * FEATURES), -0.5 * torch.ones(2 * FEATURES)])
    pair = a_team(honest, cohort=10, network=team.network, local=PLAN, members=members, address=Address.root(1))
    others = anticipated(pair, [member.shard for member in members], 6, 1, 0.5)
    assert others.rho == 0, "they disagree"
    drawn = 2 * others.bootstraps.var(dim=0).sum()
    between = (honest[0] - honest[1]).square().sum()
    assert others.scale == pytest.approx(0.5 * float((between / drawn).sqrt()), rel=1e-4)


def of(value: float) -> Worth:
    return Worth(value, value, 0, 0)


def test_the_ladder_goes_on_while_it_is_better_and_keeps_the_best() -> None:
    # The top is at 5000 units, far beyond the last fixed rung, and at -1 in the other coordinate.
    search = Search(
        lambda update, _: of(-abs(float(update[0]) - 5000) - abs(float(update[1]) + 1)), 3, [torch.zeros(2)]
    )
    assert search.best.value == 1.5 * -5001
    assert search.climb(torch.tensor([1.0, 0]), 1.0)
    assert 2500 < float(search.best.update[0]) < 7500
    before = search.best.value
    assert not search.climb(torch.tensor([0.0, 1]), 1.0)
    assert search.best.value == before
    assert not search.take(torch.full((2,), torch.nan))


def test_the_ladder_goes_on_behind_a_valley() -> None:
    # As under a median with a leak: any step loses what the best so far has, and 500 units are worth more than that.
    search = Search(lambda update, _: of(min(float(update), 500) / 100 - bool(update)), 2, [torch.zeros(1)])
    assert search.climb(torch.ones(1), 1.0)
    assert search.best.value == pytest.approx(1.5 * 4)


def test_the_ladder_ends_where_nothing_changes() -> None:
    tried: list[float] = []
    search = Search(lambda update, _: tried.append(float(update)) or of(-bool(update)), 1, [torch.zeros(1)])  # type: ignore[func-returns-value]
    assert not search.climb(torch.ones(1), 1.0)
    assert max(tried) == 30


def test_what_was_found_is_shortened_to_a_step_from_where_something_is_lost() -> None:
    search = Search(lambda update, _: of(float(update[0] >= 1)), 1, [torch.tensor([2.0])])
    search.shorten(torch.zeros(1))
    assert search.best.update.tolist() == [pytest.approx(2 * 0.8**2)]  # 1.28; two steps further is below 1


def test_the_objective_is_the_mean_and_half_of_the_least() -> None:
    assert objective([of(1.0), of(4.0)]) == 2.5 + 0.5


def test_a_price_by_hand() -> None:
    # The mean loss is 0.25; the standard deviation of (0, 0, 0, 1) is ½, of the mean ¼.
    lost = torch.tensor([0.0, 0, 0, 1])
    assert Price(0.05, 100, 0).of(lost) == pytest.approx(20)
    assert Price(0.05, 100, 1).of(lost) == pytest.approx(45)
    assert Price(0.5, 100, 0).of(lost) == 0


def test_worth_by_hand() -> None:
    network = Network(nn.Linear(1, 2, bias=False))
    wanted, judged = Samples(torch.ones(1, 1), torch.tensor([1])), Samples(torch.ones(2, 1), torch.tensor([0, 1]))
    utility = Utility(network, wanted, judged, Price(0, 10, 0), damage=False, confidence=0.95)
    # Logits (0, ½): log-odds ½. Margins of the judged are -½ and ½, on the ramp from -1 to 1: ¼ and ¾.
    honest = utility.answers(torch.zeros(2))
    assert honest.tolist() == [0.5, 0.5]
    worth = utility.worth(torch.tensor([0, 0.5]), honest[None])
    assert worth.gain == pytest.approx(0.5)
    assert worth.cost == 0, "¼ is lost, and as much is gained"
    assert worth.value == pytest.approx(0.5)
    # The differences ¼ and -¼ have a standard deviation of √⅛, their mean has ¼.
    doubtful = Utility(network, wanted, judged, Price(0.05, 10, 1), damage=False, confidence=0.95)
    assert doubtful.worth(torch.tensor([0, 0.5]), honest[None]).value == pytest.approx(0.5 - 10 * (0.25 - 0.05))
    assert utility.worth(torch.tensor([0, 99.0]), honest[None]).gain == pytest.approx(2.9444, abs=1e-4), "logit of 0.95"
    assert utility.worth(torch.tensor([0, torch.nan]), honest[None]).value == float("-inf")
    damage = Utility(network, wanted, judged, None, damage=True, confidence=0.95)
    assert damage.worth(torch.tensor([0, 0.5]), damage.answers(torch.zeros(2))[None]).value == pytest.approx(-0.5)


def test_a_loss_is_counted_against_the_nearer_of_two_harmless_models() -> None:
    network = Network(nn.Linear(1, 2, bias=False))
    wanted, judged = Samples(torch.ones(1, 1), torch.tensor([1])), Samples(torch.ones(2, 1), torch.tensor([0, 1]))
    utility = Utility(network, wanted, judged, Price(0, 10, 1), damage=False, confidence=0.95)
    # Both models are right for a half on average: (½, ½) and, with logits (0, ½), (¼, ¾).
    harmless = utility.harmless(torch.zeros(2), torch.tensor([0, 0.5]))
    assert harmless.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert utility.worth(torch.zeros(2), harmless).value == 0
    assert utility.worth(torch.tensor([0, 0.5]), harmless).value == 0.5, "against the first alone, 2.5 less"
    # Logits (0, 1): answers (0, 1), a quarter less and more than the second's, with a standard error of a quarter.
    assert utility.worth(torch.tensor([0, 1.0]), harmless).value == pytest.approx(1 - 10 / 4)
    # Of labels that are all 0, the second has but ¼, and what it lost against the first is added.
    worse = Utility(
        network, wanted, Samples(judged.x, torch.zeros(2).long()), Price(0, 10, 0), damage=False, confidence=0.95
    )
    harmless = worse.harmless(torch.zeros(2), torch.tensor([0, 0.5]))
    assert harmless.tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert worse.worth(torch.tensor([0, 0.5]), harmless).cost == pytest.approx(1 / 4)


def test_who_knows_of_no_step_expects_the_others_by_his_own_data_alone() -> None:
    rows = torch.tensor([[3.0, 1.0], [1.0, -1.0]])  # of mean (2, 0)
    own = SimulatedOthers(rows, 2, OthersMean.of(torch.tensor([2.0, 0]), 0.5, None, 5), 1.0, 5, 2, Address.root(1))
    assert own.alone is own
    by_step = OthersMean.of(torch.tensor([2.0, 0]), 0.5, torch.tensor([1.0, 1.0]), 5)
    assert by_step.by_step
    told = SimulatedOthers(rows, 2, by_step, 1.0, 5, 2, Address.root(1))
    alone = told.alone.mean
    assert (alone.by_step, alone.rho) == (False, by_step.rho)
    assert alone.expected.tolist() == pytest.approx([2 * by_step.rho, 0])
