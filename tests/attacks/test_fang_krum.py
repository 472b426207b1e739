"""Fang's attack on Krum: scores by hand and against Krum itself, full and partial, and where nothing can be won."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from teams import a_team, clean_accuracy, final_accuracy, sent

from fedlens.attacks.fang_krum import FangKrum, Trial, told_to
from fedlens.attacks.known_updates import KnownUpdates
from fedlens.data.partition import Dirichlet
from fedlens.defences.krum import Krum, krum_scores

KRUM = {"name": "krum", "f": 2}


def trial_of(rows: torch.Tensor) -> Trial:
    return Trial.of(KnownUpdates.among(rows, rows.shape[1]))


def test_the_trial_is_krum_on_all_of_them() -> None:
    generator = torch.Generator().manual_seed(5)
    outcomes = []
    for copies, told, scale in product((1, 2, 3), (1, 2), (0.01, 1.0, 100.0)):
        rows = (torch.randn(7, 20, generator=generator) + 0.3) * scale
        trial = trial_of(rows)
        for length in torch.tensor([0.01, 0.1, 0.3, 1, 3]) * scale:
            crafted = (-length * trial.sign.float()).expand(copies, -1)
            scores = krum_scores(torch.cat([rows, crafted]), told)
            outcomes.append(trial.chosen(float(length) / trial.unit, copies, 7 + copies - told - 2))
            assert outcomes[-1] == (int(scores.argmin()) >= 7)
    assert {True, False} == set(outcomes)


def test_the_bound_by_hand() -> None:
    # Of 0, 1 and 3, the one nearest of each is 1, 1 and 2 away. With one copy, b - m - 1 = 1; the longest is 3.
    trial = trial_of(torch.tensor([[0.0], [1.0], [3.0]]))
    assert trial.bound(1) * trial.unit == pytest.approx(1 + 3)
    assert trial.bound(2) * trial.unit == pytest.approx(1 + 3), "at least 1"
    # Of four in two dimensions: lengths 0, 5, 5, 10; sums of the two nearest 5 + 5, 5 + 5, ..., by 4 - 1 - 1 and √2
    assert trial_of(torch.tensor([[1.0], [-1.0]])).bound(1) == 0, "it goes nowhere"
    rows = torch.tensor([[0.0, 0], [3, 4], [-3, -4], [6, 8]])
    trial = trial_of(rows)
    assert trial.bound(1) * trial.unit == pytest.approx((10 / 2 + 10) / 2**0.5)


def by_search(rows: np.ndarray, m: int, f: int) -> float:
    """The paper's search with whole distances, for full knowledge."""
    b, d = rows.shape
    sign, lengths = np.sign(rows.mean(0)), np.linalg.norm(rows[:, None] - rows, axis=2)
    length = np.sort(lengths, axis=1)[:, 1 : b - 1].sum(1).min() / max(b - m - 1, 1) / np.sqrt(d)
    length += np.linalg.norm(rows, axis=1).max() / np.sqrt(d)
    while length >= 1e-5:
        every = np.vstack([rows, np.tile(-length * sign, (m, 1))])
        squares = ((every[:, None] - every) ** 2).sum(2)
        scores = np.sort(squares, axis=1)[:, 1 : b + m - f - 1].sum(1)
        if scores[b] < scores[:b].min():
            return float(length)
        length /= 2
    return 0.0


@pytest.mark.parametrize(("m", "f"), [(1, 1), (2, 2), (3, 2), (3, 3)])
def test_full_knowledge_finds_what_the_papers_search_does(m: int, f: int) -> None:
    rows = np.random.default_rng(m).normal(size=(8, 30)) + 0.5
    team = a_team(torch.zeros(m, 30).double(), torch.from_numpy(rows), rule={"name": "krum", "f": f})
    found = sent(FangKrum(epsilon=0), team)
    wanted = by_search(rows, m, f)
    log = team.members[0].log
    assert log["chosen"] == int(wanted > 0)
    if wanted:
        assert log["lambda"] == pytest.approx(wanted)
        torch.testing.assert_close(found, torch.from_numpy(-wanted * np.sign(rows.mean(0))).expand(m, -1))
    assert wanted or m == 1


def test_krum_itself_takes_what_is_sent() -> None:
    rows = torch.randn(8, 30, generator=torch.Generator().manual_seed(1)) + 0.5
    team = a_team(torch.zeros(3, 30), rows, rule=KRUM)
    updates = sent(FangKrum(), team)
    distances = (updates[1:] - updates[0]).norm(dim=1)
    assert bool(((distances > 0) & (distances <= 0.01)).all())
    assert team.server is not None
    step = team.server.step(torch.cat([rows, updates]))
    assert any(torch.equal(step, update) for update in updates)
    assert float(step @ rows.mean(0)) < 0


def test_partial_knowledge_tries_its_own_honest_updates() -> None:
    # Of 0, 1, 3 and one copy of f = 1, Krum has one neighbour: -λ and 0 are each other's, a tie, down to 1e-5. Of two
    # copies, -λ has a score of 0, and the first λ is taken: (1 + 3).
    team = a_team([[0.0], [1.0], [3.0]], cohort=10, rule=KRUM)
    assert sent(FangKrum(sees="team", epsilon=0), team).tolist() == [[-4.0]] * 3
    assert [member.log for member in team.members] == [{"lambda": 4, "chosen": 1}] * 3


def test_who_are_so_many_that_they_are_each_others_neighbours_are_chosen_at_once() -> None:
    # m - 1 = 4 zeros for n - f - 2 = 3 neighbours
    rows = torch.tensor([[1.0], [2.0], [4.0]])
    team = a_team([[0.0]] * 5, rows, rule={"name": "krum", "f": 3}, cohort=8)
    assert sent(FangKrum(epsilon=0), team)[0].item() == pytest.approx(-(1 + 4))


def test_what_krum_is_told_is_read_from_the_assumed_chain() -> None:
    assert told_to(a_team([[0.0]], rule=KRUM, cohort=9).server, 4) == 2
    assert told_to(a_team([[0.0]], rule=[{"name": "nnm", "f": 1}, KRUM], cohort=9).server, 4) == 2
    assert told_to(a_team([[0.0]], rule="mean", cohort=9).server, 4) == 4
    assert told_to(None, 3) == 3


@pytest.mark.parametrize("sees", ["all", "team"])
@pytest.mark.parametrize("known", [[[4.0, 4]] * 4, [[0.0, 0]] * 4, [[float("nan"), 0]] * 4, [[3.0, 3]]])
def test_degenerate_rounds(sees: Any, known: Any) -> None:
    if sees == "all":
        team = a_team([[1.0, 1]] * 2, known, cohort=2 + len(known), rule=KRUM)
    else:
        team = a_team(known, cohort=9, rule=KRUM)
    updates = sent(FangKrum(sees=sees), team)
    assert bool(updates.isfinite().all())
    for member in team.members:
        assert set(member.log) == {"lambda", "chosen"}


def test_without_others_it_sends_next_to_nothing() -> None:
    team = a_team([[1.0, 1]] * 2, torch.empty(0, 2), rule="mean")
    assert float(sent(FangKrum(epsilon=0), team).abs().max()) == 0
    assert team.members[0].log == {"lambda": 0, "chosen": 0}


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_any_scale(scale: float) -> None:
    rows = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64) * scale
    team = a_team(torch.zeros(2, 1).double(), rows, rule={"name": "krum", "f": 1})
    assert (sent(FangKrum(epsilon=0, threshold=1e-305), team) / scale).tolist()[0][0] == pytest.approx(-2), (
        "4 is not chosen, 2 is"
    )


@pytest.mark.parametrize(("threshold", "length", "chosen"), [(2, 2, 1), (2.001, 4, 0)])
def test_it_gives_up_below_the_threshold(threshold: float, length: float, chosen: int) -> None:
    """Of 0, 1 and 3, λ = 4 is not chosen, and 2 is."""
    team = a_team([[0.0]] * 2, [[0.0], [1.0], [3.0]], rule={"name": "krum", "f": 1})
    assert sent(FangKrum(epsilon=0, threshold=threshold), team).tolist() == [[-length]] * 2
    assert team.members[0].log == {"lambda": length, "chosen": chosen}


def test_the_others_are_anywhere_within_epsilon_of_the_first() -> None:
    """In one dimension, at a distance that is uniform up to it: on average half, to three standard errors."""
    team = a_team([[0.0]] * 201, [[0.0], [1.0], [3.0]], rule={"name": "krum", "f": 1})
    updates = sent(FangKrum(epsilon=0.5), team)
    apart = (updates[1:] - updates[0]).flatten()
    assert float(apart.abs().max()) == pytest.approx(0.5, abs=0.02)
    assert float(apart.abs().mean()) == pytest.approx(0.25, abs=3 * 0.144 / 200**0.5)
    assert 60 < int((apart > 0).sum()) < 140


def test_where_honest_updates_agree_there_is_nothing_that_krum_would_choose() -> None:
    rows = torch.randn(6, 30, generator=torch.Generator().manual_seed(1)) / 100 + 1
    team = a_team(torch.zeros(2, 30), rows, rule={"name": "krum", "f": 2})
    updates = sent(FangKrum(), team)
    assert team.members[0].log["chosen"] == 0
    assert team.server is not None
    assert float(team.server.step(torch.cat([rows, updates])).mean()) > 0.9


def test_it_destroys_krum_where_clients_differ() -> None:
    plan = {"clients": 7, "partition": Dirichlet(alpha=1), "aggregation": Krum(f=2)}
    assert final_accuracy("fang-krum", attackers={"count": 3}, **plan) < clean_accuracy(**plan) - 0.2


def test_it_hardly_moves_the_mean() -> None:
    rows = torch.randn(18, 30, generator=torch.Generator().manual_seed(1)) + 2
    team = a_team(torch.zeros(2, 30), rows, rule=KRUM)
    kept = torch.cat([rows, sent(FangKrum(), team)]).mean(0) @ rows.mean(0) / rows.mean(0).square().sum()
    assert float(kept) > 0.7
