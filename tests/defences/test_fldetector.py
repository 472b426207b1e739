from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from helpers.staged import server
from torch import Tensor

from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.defences import fldetector
from fedlens.defences.chain import Chain
from fedlens.defences.fldetector import FLDetector
from fedlens.defences.stage import Report, Server, State, Updates

SIZE, COUNT = 30, 8
CENTRES = normal(0, COUNT, SIZE)
CURVATURE = 0.2 + torch.rand(SIZE, generator=torch.Generator().manual_seed(1)).double()

Attack = Callable[[int, Tensor], Tensor]


def honest(weights: Tensor, centres: Tensor = CENTRES) -> Tensor:
    """Steps of gradient descent on quadratic losses, one of each client."""
    return -0.3 * CURVATURE * (weights - centres)


def played(stage: FLDetector, rounds: int, attack: Attack, seed: int = 0) -> tuple[list[Report], State, list[Tensor]]:
    """Rounds in which the last two of eight clients attack; all who are left are averaged."""
    weights, state = torch.zeros(SIZE).double(), State()
    reports, models = [], [weights]
    for round_ in range(1, rounds + 1):
        rows = honest(weights)
        rows[-2:] = attack(round_, rows[-2:])
        at_hand = Server(round_, weights, server(1, SIZE).layout, tuple(range(COUNT)), Address.root(seed).at(round_))
        left, state, report = stage.apply(Updates.received(rows, equal(COUNT)), at_hand, state)
        weights = weights + left.rows.mean(dim=0)
        reports.append(report)
        models.append(weights)
    return reports, state, models


def noisy(round_: int, rows: Tensor) -> Tensor:
    return rows + normal(100 + round_, *rows.shape)


def shifted(round_: int, rows: Tensor) -> Tensor:
    return rows + 1


def flagged(report: Report) -> list[int]:
    assert report.flagged is not None
    return report.flagged.nonzero().flatten().tolist()


def test_where_the_model_stays_updates_are_compared_with_the_last_ones() -> None:
    """Distances 0, 1 and 3: 0, 1/4 and 3/4; then 4, 0 and 0, and the mean of both."""
    stage, state = FLDetector(), State()
    scores = []
    for rows in ([1.0, 1, 1], [1.0, 2, 4], [5.0, 2, 4]):
        at_hand = server(3, 1)
        _, state, report = stage.apply(Updates.received(torch.tensor(rows)[:, None], equal(3)), at_hand, state)
        assert report.scores is not None
        scores.append(report.scores.tolist())
    assert scores == [[0, 0, 0], [0, 0.25, 0.75], [0.5, 0.125, 0.375]]


def test_who_is_not_what_was_expected_is_excluded_and_stays_so() -> None:
    reports, state, models = played(FLDetector(window=4, start=6), 12, noisy)
    assert [flagged(report) for report in reports] == [[]] * 5 + [[6, 7]] * 7
    assert state.tensors["excluded"].tolist() == [6, 7]
    assert int(state.tensors["rounds"]) == 6
    assert all(set(state.clients[client]) == {"scores"} for client in (6, 7))
    alone = models[6] + honest(models[6])[:6].mean(dim=0)
    torch.testing.assert_close(models[7], alone)


def test_who_sends_what_is_expected_is_not_noticed() -> None:
    """A constant offset cancels, however large it is: attackers score no more than others."""
    reports, _, _ = played(FLDetector(window=4, start=100), 8, shifted)
    scores = reports[-1].scores
    assert scores is not None
    assert float(scores[-2:].max()) <= float(scores[:-2].max())


def test_scores_by_definition() -> None:
    """The same in NumPy, with B as a matrix that grows by BFGS updates."""
    window = 3
    reports, _, models = played(FLDetector(window=window, start=100), 7, noisy)
    weights = [model.numpy() for model in models]
    rows = []
    for round_ in range(1, 8):
        updates = honest(models[round_ - 1])
        updates[-2:] = noisy(round_, updates[-2:])
        rows.append(updates.numpy())
    values = []
    for t in range(1, 7):
        pairs = [(weights[k] - weights[k - 1], weights[k + 1] - 2 * weights[k] + weights[k - 1]) for k in range(1, t)]
        hessian = np.zeros((SIZE, SIZE))
        if pairs := pairs[-window:]:
            step, change = pairs[-1]
            hessian = (change @ step) / (step @ step) * np.eye(SIZE)
            for step, change in pairs:
                moved = hessian @ step
                hessian = hessian - np.outer(moved, moved) / (step @ moved) + np.outer(change, change) / (change @ step)
        apart = np.linalg.norm(rows[t - 1] + hessian @ (weights[t] - weights[t - 1]) - rows[t], axis=1)
        values.append(apart / apart.sum())
    assert reports[-1].scores is not None
    np.testing.assert_allclose(reports[-1].scores.numpy(), np.mean(values[-window:], axis=0), rtol=1e-6)


def test_the_order_of_clients_does_not_matter() -> None:
    stage, states = FLDetector(window=4, start=3), [State(), State()]
    order = [5, 2, 7, 0, 1, 6, 4, 3]
    for round_ in range(1, 6):
        rows = noisy(round_, honest(torch.zeros(SIZE)))
        rows[3] *= 10 * round_
        found = []
        for place, clients in enumerate((list(range(COUNT)), order)):
            at_hand = server(COUNT, SIZE, clients=clients)
            updates = Updates.received(rows[clients], equal(COUNT))
            _, states[place], report = stage.apply(updates, at_hand, states[place])
            assert report.scores is not None
            found.append({clients[row] for row in flagged(report)})
        assert found[0] == found[1]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
def test_nobody_is_flagged_where_all_agree(count: int, value: float) -> None:
    stage, state = FLDetector(start=1), State()
    for round_ in range(4):
        rows = torch.full((count, 3), value * (1 + round_ % 2), dtype=torch.float64)
        _, state, report = stage.apply(Updates.received(rows, equal(count)), server(count, 3), state)
        assert flagged(report) == []
        assert report.scores is not None
        assert bool(report.scores.isfinite().all())


def test_who_was_away_keeps_its_scores() -> None:
    stage, state = FLDetector(), State()
    for clients, values in (((0, 1, 2), (1.0, 1, 1)), ((0, 1, 2), (1.0, 2, 4)), ((0, 1), (1.0, 3)), ((0, 2), (1.0, 9))):
        at_hand = server(len(clients), 1, clients=list(clients))
        rows = torch.tensor(values)[:, None]
        _, state, report = stage.apply(Updates.received(rows, equal(len(clients))), at_hand, state)
    assert report.scores is not None
    assert report.scores.tolist() == [1 / 3, 0.75]  # of 0, 0 and 1, as client 0 was alone; and what 2 had
    assert state.clients[2]["scores"].tolist() == [0.75]


def test_scores_are_compared_with_20_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the clients that score, in their order; whom they set apart is excluded."""
    asked = []

    def upper(numbers: np.ndarray, references: int, generator: np.random.Generator) -> np.ndarray:
        asked.append((numbers.tolist(), references))
        return np.array([False, False, True])

    monkeypatch.setattr(fldetector, "upper_group", upper)
    stage, state = FLDetector(start=2), State()
    for rows in ([1.0, 1, 1], [1.0, 2, 4]):
        _, state, report = stage.apply(
            Updates.received(torch.tensor(rows)[:, None], equal(3)), server(3, 1, clients=[7, 8, 9]), state
        )
    assert asked == [([0, 0.25, 0.75], 20)]
    assert flagged(report) == [2]
    assert state.tensors["excluded"].tolist() == [9]


def test_it_needs_every_clients_own_update() -> None:
    with pytest.raises(ConfigError, match="fldetector needs each client's own update, but bucketing before it blends"):
        Chain.of(["bucketing", "fldetector"])
    mixed = Updates.received(normal(0, 2, 1), equal(2)).mixed(torch.ones(2, 2) / 2)
    with pytest.raises(ValueError, match=r"^fldetector needs every client's own update"):
        FLDetector().judge(mixed, server(2, 1), State())
