"""Over which entries norms and distances are: worked out by hand on two layers with running statistics."""

from typing import get_args

import pytest
import torch
from helpers.received import equal
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.core.registry import build
from fedlens.defences.detector import Detector, Inspection
from fedlens.defences.distance_ranges import DistanceCheck
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing
from fedlens.defences.norm_filter import NormFilter
from fedlens.defences.over import Over, over_entries
from fedlens.defences.stage import Server, State, Updates
from fedlens.defences.update_statistics import StatisticsCheck
from fedlens.models.model import Model

LAYOUT = Layout.of(nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1), nn.Linear(1, 1)))
"""Weight and bias of a layer, of its normalisation, and of the last; its mean, variance and counter of batches."""
ROW = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8, 99])
COUNTED: dict[Over, list[float]] = {
    "all": [1, 2, 3, 4, 5, 6, 7, 8],
    "parameters": [1, 2, 3, 4, 5, 6],
    "weights": [1, 3, 5],
    "last-layer": [5, 6],
}


def inspection(updates: Tensor, layout: Layout = LAYOUT) -> Inspection:
    return Inspection(1, torch.zeros(updates.shape[1]), updates, equal(len(updates)), layout)


@pytest.mark.parametrize("over", get_args(Over))
def test_the_entries_that_count(over: Over) -> None:
    assert over_entries(torch.stack([ROW, -ROW]), LAYOUT, over).tolist() == [
        COUNTED[over],
        [-entry for entry in COUNTED[over]],
    ]


def test_the_last_layer_may_have_a_single_part() -> None:
    layout = Layout.of(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1, bias=False)))
    assert over_entries(torch.tensor([[1.0, 2, 3]]), layout, "last-layer").tolist() == [[3]]


def test_nothing_is_copied_unless_entries_lie_apart() -> None:
    rows, parameters = ROW[None], LAYOUT.parameters
    assert over_entries(rows[:, :6], parameters, "all") is not None
    for over in ("all", "parameters", "last-layer"):
        assert over_entries(rows, LAYOUT, over).untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()
    few = rows[:, :6]
    assert over_entries(few, parameters, "parameters") is few


def test_a_model_without_weights_is_refused() -> None:
    biases = Layout(tuple(part for part in LAYOUT.slices if part.kind == "bias"))
    with pytest.raises(ValueError, match="the model has no weights; take over: parameters"):
        over_entries(torch.zeros(1, 3), biases, "weights")


@pytest.mark.parametrize(("over", "norm"), [("all", 204), ("parameters", 91), ("weights", 35), ("last-layer", 61)])
def test_norms(over: Over, norm: float) -> None:
    """The sums of squares are 1 + 4 + ... + 64, 1 + 4 + ... + 36, 1 + 9 + 25 and 25 + 36."""
    seen = inspection(ROW[None])
    assert NormFilter(max_norm=1, over=over).inspect(seen).scores[0] ** 2 == pytest.approx(norm)
    assert StatisticsCheck(over=over).inspect(seen).details["norm"] == [pytest.approx(norm**0.5)]


@pytest.mark.parametrize(("over", "flagged"), [("all", 5), ("parameters", 4), ("weights", 3), ("last-layer", None)])
def test_distances_are_over_what_is_chosen(over: Over, flagged: int | None) -> None:
    """Updates 0 to 4 are 1 to 5 apart in the first weight; 3 is far off there, 4 in a bias more, 5 in a mean most."""
    updates = torch.zeros(8, 9)
    updates[:, 4] = torch.arange(8.0)
    updates[3, 0], updates[4, 1], updates[5, 6] = 1e3, 1e5, 1e7
    scores = DistanceCheck(over=over).inspect(inspection(updates)).scores
    own = DistanceCheck(over=over).inspect(inspection(updates)).details["range"]
    if flagged is None:
        assert own == [[1, 7], [1, 6], [1, 5], [1, 4], [1, 4], [1, 5], [1, 6], [1, 7]]
    else:
        assert int(scores.argmax()) == flagged


def test_neighbours_are_near_in_what_is_chosen_and_means_are_of_all() -> None:
    """By the last layer, 0 and 1 are neighbours; by all parameters, 0 and 2 are."""
    layout = LAYOUT.parameters
    rows = torch.tensor([[0.0, 0, 0, 0, 0, 0], [90, 0, 0, 0, 1, 0], [0, 0, 0, 0, 30, 0]])
    server = Server(1, torch.zeros(6), layout, (0, 1, 2), Address.root(0))
    mixed = {}
    for over in ("parameters", "last-layer"):
        updates = Updates.received(rows.clone(), equal(3))
        mixed[over] = NearestNeighbourMixing(f=1, over=over).apply(updates, server, State())[0].rows[0].tolist()
    assert mixed == {"parameters": [0, 0, 0, 0, 15, 0], "last-layer": [45, 0, 0, 0, 0.5, 0]}


class Normalised(Model):
    """A network with running statistics."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, classes))


def test_a_check_over_all_sees_running_statistics_in_a_run() -> None:
    """Honest clients' norms over all are longer by their buffers, whose changes no other check sees."""
    norms = {}
    for over in ("parameters", "all"):
        checks = [StatisticsCheck(over=over)]
        experiment = small(model=Normalised(), rounds=1, attack=None, checks=checks, aggregation="mean")
        (result,) = fedlens.simulate(experiment, engine="serial")
        norms[over] = [client.checks["statistics"].details["norm"] for client in result.record.clients]
    assert all(more > less for more, less in zip(norms["all"], norms["parameters"], strict=True))


@pytest.mark.parametrize("name", ["distances", "statistics", "norm-filter"])
def test_the_default_leaves_the_identity_as_it_was(name: str) -> None:
    given, default = (small(checks=[check]) for check in ({"name": name, "over": "parameters"}, name))
    assert given.identity() == default.identity()
    assert "over" not in str(given.relevant())
    assert small(checks=[{"name": name, "over": "weights"}]).identity() != default.identity()


def test_mixing_has_no_buffers_to_be_over() -> None:
    with pytest.raises(ConfigError, match="over"):
        small(aggregation=[{"name": "nnm", "f": 1, "over": "all"}, "mean"])
    with pytest.raises(ConfigError, match="over"):
        build("checks", {"name": "distances", "over": "biases"}, Detector)
