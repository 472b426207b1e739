"""DeepSight's filter: its measures by hand, the whole by a plain loop, whom it stops and whom it cannot."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.received import equal, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences import Chain, DeepSightFilter, Forward, Server, State, Step, Updates, deepsight, server_step
from fedlens.defences.clusters import density_clusters
from fedlens.defences.deepsight import (
    division_differences,
    exceedings,
    last_layer,
    suspicious_shares,
    update_energies,
)

CLASSES, FEATURES = 6, 4
LAYOUT = Layout.of(nn.Sequential(nn.Linear(3, FEATURES), nn.Linear(FEATURES, CLASSES)))
FILTER = DeepSightFilter(inputs=50, draws=2)


def answers(weights: Tensor, x: Tensor) -> Tensor:
    named = LAYOUT.split(weights)
    hidden = (x @ named["0.weight"].T + named["0.bias"]).relu()
    return (hidden @ named["1.weight"].T + named["1.bias"]).log_softmax(dim=1)


FORWARD = Forward((3,), answers)


def at_hand(count: int, forward: Forward | None = FORWARD) -> Server:
    weights = 0.3 * normal(7, LAYOUT.size)
    return Server(1, weights, LAYOUT, tuple(range(count)), Address.root(0), forward=forward)


def flags(rows: Tensor) -> list[bool]:
    report, _ = FILTER.judge(Updates.received(rows, equal(len(rows))), at_hand(len(rows)), State())
    assert report.flagged is not None
    return report.flagged.tolist()


def layer(row: Tensor) -> Tensor:
    """The entries of the last layer's weights and biases by class, views of an update."""
    named = LAYOUT.split(row)
    return torch.cat([named["1.weight"], named["1.bias"][:, None]], dim=1)


def trained_on(classes: list[int], seed: int) -> Tensor:
    """An update like that of a client who has these classes: others' rows hardly change."""
    row = 0.05 * normal(seed, LAYOUT.size)
    named = LAYOUT.split(row)
    common = normal(sum(2**one for one in classes), CLASSES, FEATURES + 1)
    for one in classes:
        named["1.weight"][one] += common[one, :FEATURES].sign() * 0.5
        named["1.bias"][one] += 0.5
    return row


def test_energies_by_hand() -> None:
    """E = (3, 1, 0): |2| + |-1|, |1| and 0. Squares 9, 1, 0 of 10; above a third of .9 is one."""
    weights, biases = torch.tensor([[[-1.0], [0.5], [0.0]]]), torch.tensor([[2.0, -0.5, 0.0]])
    energies = update_energies(weights, biases)
    assert energies.tolist() == [pytest.approx([0.9, 0.1, 0])]
    assert exceedings(energies).tolist() == [1]
    assert exceedings(torch.ones(1, 200)).tolist() == [200]
    assert exceedings(torch.tensor([[2.0, 1.0]])).tolist() == [1]  # a half is not more than a half
    assert exceedings(torch.tensor([[1.0] + [0.011] * 99 + [0.009] * 100])).tolist() == [100]
    assert update_energies(0 * weights, 0 * biases).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_energies_have_no_scale(scale: float) -> None:
    weights, biases = normal(0, 2, 3, 4), normal(1, 2, 3)
    torch.testing.assert_close(update_energies(scale * weights, scale * biases), update_energies(weights, biases))


def test_the_last_layer() -> None:
    rows = normal(0, 2, LAYOUT.size)
    weights, biases = last_layer(rows, LAYOUT)
    torch.testing.assert_close(torch.cat([weights[1], biases[1][:, None]], dim=1), layer(rows[1]))
    for without in (nn.Linear(2, 2, bias=False), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))):
        with pytest.raises(ValueError, match="a last layer with weights and biases"):
            last_layer(rows, Layout.of(without))


def test_divisions_by_hand() -> None:
    """Whatever the inputs, probabilities are (.5, .5) of the global model and (.8, .2) of the client's."""
    forward = Forward((2,), lambda weights, x: weights.log_softmax(dim=0).expand(len(x), 2))
    rows = torch.tensor([[4.0, 1.0], [1.0, 1.0], [1.0, torch.inf]]).log()
    found = division_differences(rows, torch.zeros(2), forward, 7, Address.root(0))
    assert found[:2].tolist() == [pytest.approx([1.6, 0.4]), pytest.approx([1, 1])]
    assert found[2].tolist() == pytest.approx([np.exp(100)] * 2)


def test_inputs_are_drawn_in_blocks_from_0_to_1() -> None:
    forward = Forward((3, 2), answers)
    blocks = list(forward.random_inputs(2500, Address.root(0), torch.zeros(1)))
    assert [tuple(block.shape) for block in blocks] == [(1000, 3, 2), (1000, 3, 2), (500, 3, 2)]
    assert all(0 <= float(block.min()) < 0.01 for block in blocks)
    assert all(0.99 < float(block.max()) < 1 for block in blocks)
    assert not torch.equal(blocks[0], blocks[1])


@pytest.mark.parametrize(("size", "count", "blocks"), [(2**12, 513, [512, 1]), (2**21 + 1, 2, [1, 1])])
def test_blocks_of_large_inputs_are_smaller(size: int, count: int, blocks: list[int]) -> None:
    """Of 2²¹ entries, or of one input."""
    found = Forward((size,), answers).random_inputs(count, Address.root(0), torch.zeros(1))
    assert [len(block) for block in found] == blocks


def test_shares_by_hand() -> None:
    """One of three, none of one, both of two."""
    suspicious = torch.tensor([True, False, False, False, True, True])
    assert suspicious_shares(suspicious, [0, 0, 0, 9, 1, 1]).tolist() == pytest.approx([1 / 3] * 3 + [0, 1, 1])


@pytest.mark.parametrize(
    ("classes", "flagged"),
    [
        ([2, 2, 1], True),  # 1 is half of the median 2, and a third of the cluster
        ([4, 4, 4, 2], False),  # a quarter
        ([3, 3, 2], False),  # 2 is more than half of 3
    ],
)
def test_suspects_by_hand(monkeypatch: pytest.MonkeyPatch, classes: list[int], flagged: bool) -> None:
    """All in one cluster, of which so many classes have been trained on."""
    monkeypatch.setattr(deepsight, "density_clusters", lambda distances, *_: [0] * len(distances))
    rows = torch.zeros(len(classes), LAYOUT.size, dtype=torch.float64)
    for row, count in zip(rows, classes, strict=True):
        LAYOUT.split(row)["1.bias"][:count] = 1
    assert flags(rows) == [flagged] * len(classes)
    report, _ = FILTER.judge(Updates.received(rows, equal(len(rows))), at_hand(len(rows)), State())
    assert report.details["exceedings"] == classes


def plain(rows: Tensor, server: Server) -> list[bool]:
    """The filter once more, with NumPy and scikit-learn; clients in no cluster are their own."""
    from sklearn.cluster import HDBSCAN
    from sklearn.metrics.pairwise import cosine_distances

    count = len(rows)

    def apart(values: Any, metric: str = "euclidean") -> Any:
        labels = HDBSCAN(min_cluster_size=2, min_samples=2, metric=metric, copy=True).fit_predict(values)
        return np.array(
            [[0 if i == j or a == b >= 0 else 1 for j, b in enumerate(labels)] for i, a in enumerate(labels)]
        )

    energies = np.array([layer(row).abs().sum(dim=1).numpy() ** 2 for row in rows])
    energies /= energies.sum(axis=1, keepdims=True)
    counts = (energies > max(0.01, 1 / CLASSES) * energies.max(axis=1, keepdims=True)).sum(axis=1)
    suspicious = counts <= np.median(counts) / 2
    divisions = []
    for draw in range(2):
        x = torch.from_numpy(server.address.at("inputs", draw).generator().random((50, 3)))
        ours = answers(server.weights, x).exp()
        divisions.append(apart([(answers(server.weights + row, x).exp() / ours).mean(dim=0).numpy() for row in rows]))
    biases = np.array([LAYOUT.split(row)["1.bias"].numpy() for row in rows])
    merged = (apart(energies) + np.mean(divisions, axis=0) + apart(cosine_distances(biases), "precomputed")) / 3
    same = 1 - apart(merged.astype(float), "precomputed")
    return [bool(suspicious[same[i] == 1].mean() >= 1 / 3) for i in range(count)]


@given(seed=st.integers(0, 2**32), count=st.integers(3, 10), attackers=st.integers(0, 4))
@settings(max_examples=8, deadline=None)
def test_as_a_plain_loop(seed: int, count: int, attackers: int) -> None:
    rows = torch.stack([trained_on([1, 2] if i < attackers else list(range(CLASSES)), seed + i) for i in range(count)])
    assert flags(rows) == plain(rows, at_hand(count))


def step(rows: Tensor) -> Step:
    chain = Chain.of({"name": "deepsight", "inputs": 50, "draws": 2}).whole
    return server_step(chain, Updates.received(rows, equal(len(rows))), at_hand(len(rows)), [State()] * len(chain))


def test_it_stops_colluders_who_trained_on_one_class() -> None:
    rows = torch.stack([trained_on([2] if i < 3 else list(range(CLASSES)), i) for i in range(10)])
    assert flags(rows) == [True] * 3 + [False] * 7
    done = step(rows)
    assert done.judgements[0].dropped == (0, 1, 2)
    lengths = rows.norm(dim=1)
    expected = (rows * (lengths.quantile(0.5) / lengths).clamp(max=1)[:, None])[3:].mean(dim=0)
    torch.testing.assert_close(done.update, expected)


def test_it_cannot_stop_who_has_data_of_all_classes() -> None:
    """A backdoor in the first layer, as of triggers on otherwise honest data."""
    rows = torch.stack([trained_on(list(range(CLASSES)), i) for i in range(10)])
    rows[:3, : 3 * FEATURES] += 2
    assert flags(rows) == [False] * 10


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.25])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_of_updates_that_are_equal_none_is_flagged(count: int, value: float) -> None:
    assert flags(torch.full((count, LAYOUT.size), value, dtype=torch.float64)) == [False] * count


def test_the_order_of_the_clients_does_not_matter() -> None:
    rows = torch.stack([trained_on([2] if i < 3 else list(range(CLASSES)), i) for i in range(9)])
    order = torch.from_numpy(np.random.default_rng(0).permutation(9))
    assert flags(rows[order]) == torch.tensor(flags(rows))[order].tolist()


def test_in_rounds_without_attack() -> None:
    """Clients with all classes: none of 200 is flagged; with one or two classes each of six, some are."""
    every = [
        sum(flags(torch.stack([trained_on(list(range(CLASSES)), 10 * r + i) for i in range(10)]))) for r in range(20)
    ]
    assert sum(every) == 0
    few = torch.stack([trained_on([i % 6] if i < 2 else [i % 6, (i + 1) % 6, (i + 2) % 6], i) for i in range(10)])
    assert flags(few)[:2] == [True, True]


def test_clusters_of_few() -> None:
    assert density_clusters(torch.zeros(1, 1), 2, 1) == [0]
    points = torch.tensor([0.0, 0.1, 0.2, 9.0, 9.1, 9.2, 50.0])
    labels = density_clusters((points[:, None] - points).abs().double(), 2, 1)
    assert len(set(labels[:3])) == len(set(labels[3:6])) == 1
    assert len({labels[0], labels[3], labels[6]}) == 3


def test_without_a_model_to_call_it_says_so() -> None:
    with pytest.raises(ValueError, match=r"Server\.forward"):
        FILTER.judge(Updates.received(normal(0, 3, LAYOUT.size), equal(3)), at_hand(3, None), State())


def test_in_a_run() -> None:
    """The server asks the global model and those of clients; attackers who would try the chain cannot."""
    deepsight = {"name": "deepsight", "inputs": 20, "draws": 1}
    run = fedlens.run(small(aggregation=deepsight, clients=4, rounds=2, attack=None, control=False))
    checks = [client.checks["deepsight-filter"] for record in run.records for client in record.clients]
    assert len(checks) == 8
    assert all("exceedings" in check.details for check in checks)
    with pytest.raises(ConfigError, match=r"adaptive-ipm cannot try deepsight, which asks the model; .*rule=median"):
        small(aggregation=deepsight, attack="adaptive-ipm", attackers={"count": 1})
