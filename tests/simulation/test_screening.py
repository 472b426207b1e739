"""Checks within a round: what they see, what they record, and what a rejection changes."""

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from small import small
from torch import Tensor

from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.chain import Chain
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.nearest_neighbour_mixing import NearestNeighbourMixing
from fedlens.defences.norm_clipping import NormClipping
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.defences.stage import Server, State, Updates
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.combining import combine
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.processes import Processes
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate


def play(experiment: Experiment, make: Callable[[], Engine] = Serial) -> list[RoundResult]:
    with make() as engine:
        return list(federate(prepare(experiment).with_target(None), engine))


def verdict(flagged: list[bool]) -> Verdict:
    return Verdict(torch.arange(len(flagged)).double(), torch.tensor(flagged))


class Norms(Detector):
    """Scores by norm, flags those named; keeps what it saw."""

    flag: tuple[int, ...] = ()

    def inspect(self, seen: Inspection) -> Verdict:
        scores = seen.updates.norm(dim=1).double()
        flagged = torch.tensor([row in self.flag for row in range(len(scores))])
        return Verdict(scores, flagged, {"alpha": seen.alpha.tolist()}, {"signs": seen.updates.sign().to(torch.int8)})


class Others(Detector):
    """A second one that flags row 0."""

    def inspect(self, seen: Inspection) -> Verdict:
        return verdict([row == 0 for row in range(len(seen.updates))])


class Validates(Detector):
    """Records the accuracies."""

    validates: ClassVar[bool] = True

    def inspect(self, seen: Inspection) -> Verdict:
        assert seen.validation is not None
        details = {"own": seen.validation.own.tolist(), "others": seen.validation.others.tolist()}
        return Verdict(seen.validation.own, torch.zeros(len(seen.updates), dtype=torch.bool), details)


class Broken(Detector):
    """Goes wrong as told."""

    how: str

    def inspect(self, seen: Inspection) -> Verdict:
        count = len(seen.updates)
        if self.how == "raises":
            raise ZeroDivisionError("no")
        if self.how == "short":
            return verdict([False] * (count - 1))
        return Verdict(torch.full((count,), torch.nan), torch.zeros(count, dtype=torch.bool))


class Sum(Rule):
    """Adds up what it gets, and shows how many it got; wants two."""

    averages: ClassVar[bool] = True

    @property
    def minimum(self) -> int:
        return 2

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.sum(0), received.alpha, {"count": torch.tensor(len(received.updates))})


NORMS = f"{__name__}:Norms"


def test_a_check_that_observes_changes_nothing_but_the_record() -> None:
    plain, watched = play(small(rounds=2)), play(small(rounds=2, checks=(Norms(flag=(1, 3)),)))
    for before, after in zip(plain, watched, strict=True):
        assert torch.equal(before.state.weights, after.state.weights)
        assert all(client.checks == {} for client in before.record.clients)
        assert before.tables == {}
        checks = [client.checks[NORMS] for client in after.record.clients]
        assert [check.flagged for check in checks] == [False, True, False, True]
        assert [check.details["alpha"] for check in checks] == after.record.effective_weights
        assert after.record.rejected == []
        assert after.record.skipped is None
        assert after.tables[f"{NORMS}.signs"].shape == (4, len(after.state.weights))


def test_scores_are_of_the_updates_that_were_sent() -> None:
    experiment = small(rounds=1, checks=(Norms(),))
    weights = prepare(experiment).network().vector.detach()
    (result,) = play(experiment)
    scores = [client.checks[NORMS].score for client in result.record.clients]
    assert scores[3] > 3 * max(scores[:3])  # the malicious client's is boosted
    (alone,) = play(small(rounds=1, checks=(Norms(flag=(0, 1, 3), action="reject"),)))
    assert float((alone.state.weights - weights).norm()) == pytest.approx(scores[2], rel=1e-5)


def test_a_rejected_update_does_not_reach_the_rule_and_weights_are_renormalised() -> None:
    experiment = small(rounds=1, clients=5, checks=(Norms(flag=(1, 4), action="reject"),))
    (result,) = play(experiment)
    sizes = prepare(experiment).shards.sizes.tolist()
    kept = sizes[0] + sizes[2] + sizes[3]
    assert result.record.effective_weights == pytest.approx([sizes[0] / kept, 0, sizes[2] / kept, sizes[3] / kept, 0])
    assert result.record.rejected == [1, 4]


def test_whoever_one_check_rejects_is_out() -> None:
    (result,) = play(small(rounds=1, checks=(Norms(flag=(2,), action="reject"), Others(action="reject"))))
    assert result.record.rejected == [0, 2]
    (result,) = play(small(rounds=1, checks=(Norms(flag=(2,), action="reject"), Others())))
    assert result.record.rejected == [2]


def test_the_rejected_are_clients_not_rows() -> None:
    experiment = small(rounds=3, clients=12, fraction=0.25, checks=(Others(action="reject"),))
    for result in play(experiment):
        assert result.record.rejected == result.record.cohort[:1]


def test_too_few_for_the_rule_leave_the_model_as_it_was() -> None:
    experiment = small(rounds=2, aggregation=Sum(), checks=(Norms(flag=(0, 1, 2), action="reject"),))
    start = prepare(experiment).network().vector.detach()
    for result in play(experiment):
        assert torch.equal(result.state.weights, start)
        assert result.record.skipped == "1 of 4 updates passed the checks, and the rule needs 2"
        assert result.record.effective_weights == [0, 0, 0, 0]
        assert result.state.stages == {}


def test_combining_by_hand() -> None:
    updates = torch.tensor([[1.0, 2], [100, 100], [10, 20]])
    received = Updates(updates, torch.tensor([0.2, 0.5, 0.3]).double(), None)
    server = Server(3, torch.zeros(2), Layout(()), (4, 5, 6), Address.root(0))
    name, chain = f"0.{__name__}:Sum", Chain.of(Sum()).whole
    combined = combine(chain, received, [0, 2], server, {})
    assert combined.update.tolist() == [11, 22]
    assert combined.shares == pytest.approx([0.4, 0, 0.6])
    assert int(combined.states[name].tensors["count"]) == 2
    kept = combine(chain, received, [1], server, {name: State({"count": torch.tensor(7)})})
    assert kept.update.tolist() == [0, 0]
    assert int(kept.states[name].tensors["count"]) == 7


def test_validation_is_of_each_clients_model_and_of_all_the_others() -> None:
    experiment = small(rounds=1, clients=3, checks=(Validates(),), validation=200)
    setting = prepare(experiment)
    assert setting.validation is not None
    weights = setting.network().vector.detach().clone()
    (result,) = play(experiment)
    found = [client.checks[f"{__name__}:Validates"].details for client in result.record.clients]

    def update_of(row: int) -> Tensor:
        flag = tuple(other for other in range(3) if other != row)
        (alone,) = play(experiment.model_copy(update={"checks": (Norms(flag=flag, action="reject"),)}))
        return alone.state.weights - weights

    def accuracy(at: Tensor) -> float:
        network, validation = setting.network(), setting.validation
        assert validation is not None
        network.load(at)
        return float((network.log_probabilities(validation.x).argmax(1) == validation.y).double().mean())

    updates = torch.stack([update_of(row) for row in range(3)])
    sizes = setting.shards.sizes.tolist()
    for row in range(3):
        first, second = (other for other in range(3) if other != row)
        share = sizes[first] / (sizes[first] + sizes[second])
        assert found[row]["own"] == pytest.approx(accuracy(weights + updates[row]), abs=0.011)
        combined = weights + share * updates[first] + (1 - share) * updates[second]
        assert found[row]["others"] == pytest.approx(accuracy(combined), abs=0.011)
    assert len({details["own"] for details in found}) > 1


def test_a_client_alone_stands_beside_the_global_model() -> None:
    experiment = small(rounds=1, clients=1, attack=None, checks=(Validates(),), validation=200)
    setting = prepare(experiment)
    assert setting.validation is not None
    (result,) = play(experiment)
    right = setting.network().log_probabilities(setting.validation.x).argmax(1) == setting.validation.y
    (client,) = result.record.clients
    assert client.checks[f"{__name__}:Validates"].details["others"] == float(right.double().mean())


def test_the_validation_set_is_taken_from_the_training_samples_alone() -> None:
    plain, apart = prepare(small()), prepare(small(validation=300))
    assert plain.validation is None
    assert apart.validation is not None
    assert len(apart.validation) == 300
    assert len(apart.dataset.train) == len(plain.dataset.train) - 300 == int(apart.shards.sizes.sum())
    assert torch.equal(apart.dataset.test.x, plain.dataset.test.x)
    whole = torch.cat([apart.dataset.train.x, apart.validation.x]).flatten(1)
    assert sorted(whole.tolist()) == sorted(plain.dataset.train.x.flatten(1).tolist())


def test_engines_agree_on_checks() -> None:
    experiment = small(rounds=2, checks=(Validates(), "distances", "statistics"), validation=200)
    serial = play(experiment)
    with Processes(2) as engine:
        parallel = list(federate(prepare(experiment).with_target(None), engine))
    assert [result.record for result in serial] == [result.record for result in parallel]
    assert torch.equal(serial[1].tables["statistics.histogram"], parallel[1].tables["statistics.histogram"])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", " failed in round 1: ZeroDivisionError: no"),
        ("short", r", in round 1, returned scores of shape \[3\]; \[4\] is right: let inspect .* return Verdict"),
        ("nan", ", in round 1, returned scores whose entry 0 is NaN; finite numbers are right"),
    ],
)
@pytest.mark.parametrize("engine", [Serial, lambda: Processes(2)])
def test_a_check_that_fails_is_named(how: str, message: str, engine: Callable[[], Engine]) -> None:
    with pytest.raises(ClientError, match=f"Broken{message}"):
        play(small(checks=(Broken(how=how),)), engine)


def nested() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, that nested tensors are young
        return torch.nested.nested_tensor([torch.zeros(2)] * 4)


class Odd(Detector):
    """Gives verdicts as strangers' code might."""

    how: str = "column"

    def inspect(self, seen: Inspection) -> Verdict:
        count = len(seen.updates)
        scores, flagged = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.bool)
        return {
            "column": Verdict(scores, flagged[:, None]),
            "nothing": None,
            "numbers": Verdict(scores, flagged.long()),
            "detail": Verdict(scores, flagged, {"size": 3.0}),  # type: ignore[dict-item]
            "tensor": Verdict(scores, flagged, {"size": list(scores)}),  # type: ignore[dict-item]
            "name": Verdict(scores, flagged, {"flagged": [1.0] * count}),
            "table": Verdict(scores, flagged, {}, {"all": [1] * count}),  # type: ignore[dict-item]
            "complex": Verdict(scores.to(torch.complex64), flagged),
            "meta": Verdict(scores.to("meta"), flagged),
            "key": Verdict(scores, flagged, {1: [1.0] * count}),  # type: ignore[dict-item]
            "half a character": Verdict(scores, flagged, {}, {"\ud800": scores}),
            "list": Verdict(scores, flagged, [1.0] * count),  # type: ignore[arg-type]
            "digits": Verdict(scores, flagged, {"size": [10**5000] * count}),
            "sparse": Verdict(scores, flagged, {}, {"all": torch.eye(count).to_sparse()}),
            "nested": Verdict(scores, flagged, {}, {"all": nested()}),
            "few": Verdict(scores, flagged, {"size": [1.0] * 3}),
            "true": True,
            "scores": scores,
        }[self.how]  # type: ignore[return-value]


ODD = {
    "column": "flagged of shape [4, 1]; [4] is right",
    "nothing": "None, not a Verdict",
    "numbers": "flagged of torch.int64; torch.bool is right",
    "detail": "the detail size of type float; a list of 4 numbers is right, as by .tolist()",
    "tensor": "the detail size whose entry 0 is a Tensor; numbers are right, as by .tolist()",
    "name": "a detail called flagged, as the verdict's own; another name is right",
    "table": "the table all of type list; a tensor of shape [4] is right",
    "complex": "scores (torch.complex64); a dense tensor of real numbers is right",
    "meta": "scores (on meta); a dense tensor of real numbers is right",
    "key": "details with the name 1; names are words",
    "half a character": r"tables with the name '\ud800'; names are words",
    "list": "details of type list; a dict by names is right",
    "digits": "the detail size whose entry 0 is <int>; numbers are right, as by .tolist()",
    "sparse": "the table all (torch.sparse_coo); a dense tensor of real numbers is right",
    "nested": "the table all (nested); a dense tensor of real numbers is right",
    "few": "the detail size of 3 entries; 4 are right, one for each client",
    "true": "True, not a Verdict",
    "scores": "a Tensor, not a Verdict",
}


@pytest.mark.parametrize(("how", "engine"), [*((how, Serial) for how in ODD), ("table", lambda: Processes(2))])
def test_an_odd_verdict_is_refused(how: str, engine: Callable[[], Engine]) -> None:
    with pytest.raises(ClientError) as caught:
        play(small(rounds=1, checks=(Odd(how=how, action="reject"),)), engine)
    said = str(caught.value)
    assert f"Odd, in round 1, returned {ODD[how]}: let inspect (" in said
    assert said.endswith("return Verdict(scores, flagged, details)")


class Vague(Rule):
    """Gives aggregates as strangers' code might."""

    averages: ClassVar[bool] = True
    how: str = "fine"

    def aggregate(self, received: Received) -> Aggregate:
        update = received.updates.mean(0)
        return {
            "fine": Aggregate(update),
            "nothing": None,
            "bare": update,
            "row": Aggregate(update[:8]),
            "hole": Aggregate(update.index_fill(0, torch.tensor([17]), torch.nan)),
            "list": Aggregate(update.tolist()),  # type: ignore[arg-type]
            "list of shares": Aggregate(update, [1.0]),  # type: ignore[arg-type]
            "double": Aggregate(update.double()),
            "short": Aggregate(update, received.alpha[:-1]),
            "nan": Aggregate(update, received.alpha * torch.nan),
            "sparse": Aggregate(update.to_sparse()),
            "meta": Aggregate(update.to("meta")),
            "sparse shares": Aggregate(update, received.alpha.to_sparse()),
            "complex shares": Aggregate(update, received.alpha.to(torch.complex64)),
            "nested shares": Aggregate(update, nested()),
        }[self.how]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nothing", "None, not an Aggregate"),
        ("bare", "a Tensor, not an Aggregate"),
        ("row", "an update of shape [8]; [D] is right"),
        ("hole", "an update whose entry 17 is NaN; finite numbers are right"),
        ("list", "an update of type list; a tensor of shape [D] is right"),
        ("double", "an update of torch.float64; torch.float32 is right"),
        ("sparse", "an update (torch.sparse_coo); a dense tensor of real numbers is right"),
        ("meta", "an update (on meta); a dense tensor of real numbers is right"),
        ("list of shares", "shares of type list; a tensor of shape [4] is right"),
        ("short", "shares of shape [3]; [4] is right"),
        ("nan", "shares whose entry 0 is NaN; finite numbers are right"),
        ("sparse shares", "shares (torch.sparse_coo); a dense tensor of real numbers is right"),
        ("complex shares", "shares (torch.complex64); a dense tensor of real numbers is right"),
        ("nested shares", "shares (nested); a dense tensor of real numbers is right"),
    ],
)
def test_an_odd_aggregate_is_refused(how: str, message: str) -> None:
    experiment = small(rounds=1, aggregation=Vague(how=how))
    size = prepare(experiment).network().layout.size
    with pytest.raises(ClientError) as caught:
        play(experiment)
    said = str(caught.value)
    assert f"rule Vague, in round 1, returned {message.replace('[D]', f'[{size}]')}: let aggregate (" in said
    assert "return Aggregate(update" in said


class Least(Rule):
    """Needs whatever a test says."""

    least: Any = None

    @property
    def minimum(self) -> int:
        return self.least  # type: ignore[no-any-return]

    def aggregate(self, received: Received) -> Aggregate:
        return Aggregate(received.updates.mean(0))


@pytest.mark.parametrize("least", [None, "3", math.nan, 1.5, True, -1, 10**5000], ids=type)
def test_an_odd_minimum_is_refused(least: Any) -> None:
    with pytest.raises(ConfigError, match=r"aggregation: minimum of Least .*is .*; a whole number of updates is right"):
        small(aggregation=Least.model_construct(least=least))


def test_noise_is_another_in_every_round() -> None:
    rule = NormClipping(max_norm=1e-9, noise=1)
    experiment = small(rounds=2, attack=None, aggregation=rule)
    start = prepare(experiment).network().vector.detach()
    first, second = (result.state.weights for result in play(experiment))
    assert float((second - first - (first - start)).abs().max()) > 1


def test_rejecting_and_mixing_take_no_memory_for_another_matrix() -> None:
    updates = torch.arange(40.0).view(4, 10)
    received = Updates(updates, torch.full((4,), 0.25).double(), None)
    server = Server(1, torch.zeros(10), Layout(()), (0, 1, 2, 3), Address.root(0))
    places: list[int] = []

    class Where(Rule):
        __module__ = "fedlens.test"  # a custom rule would get a copy

        def aggregate(self, received: Received) -> Aggregate:
            places.append(received.updates.data_ptr())
            return Aggregate(received.updates.sum(0))

    combined = combine(Chain.of(Where()).whole, received, [1, 3], server, {})
    assert places == [updates.data_ptr()]
    assert combined.update.tolist() == [10 + 30 + 2 * column for column in range(10)]
    mixed = combine(Chain.of([NearestNeighbourMixing(f=0), Where()]).whole, received, [0, 1], server, {})
    assert places == [updates.data_ptr()] * 2
    assert mixed.update.tolist() == combined.update.tolist(), "twice the mean, in place of the sum"
