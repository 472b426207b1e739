"""Planted weaknesses, by hand, and the test of who finds them."""

import pytest
import torch
from auditing import audited

from fedlens.attacks import ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.core.layout import Layout
from fedlens.core.random import Address
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.krum import Krum
from fedlens.defences.stage import Server, State, Updates
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.forks import forks_of
from fedlens.studies.audit.planted import Gate, Leak, Planted, apart, gate, leak, together

SERIAL = Runtime(engine="serial")
LAYOUT = Layout.of(torch.nn.Linear(1, 1, bias=False))
ROWS = torch.tensor([[1.0], [3.0], [4.0], [100.0]])


class Long(Detector):
    """Suspects updates longer than 50."""

    def inspect(self, seen: Inspection) -> Verdict:
        lengths = seen.updates.norm(dim=1)
        seen.updates.zero_()  # a check of somebody's own may do as it likes with what it is shown
        return Verdict(lengths, lengths > 50)


def step(plant: Planted, rows: torch.Tensor = ROWS) -> tuple[float, list[float] | None]:
    """What a plant makes of four updates with weights 0.1, 0.2, 0.3 and 0.4, and the effective weights."""
    updates = Updates.received(rows.clone(), torch.tensor([0.1, 0.2, 0.3, 0.4]).double())
    server = Server(1, torch.zeros(1), LAYOUT, (0, 1, 2, 3), Address.root(0))
    after, _, _ = plant.apply(updates, server, plant.init(LAYOUT))
    assert torch.equal(updates.rows, rows)
    weights = after.effective_weights
    return float(after.rows), None if weights is None else weights.tolist()


def test_a_leak_lets_through_what_checks_reject() -> None:
    # the check leaves 1, 3, 4 with weights 1/6, 2/6, 3/6, whose mean is 19/6; of all four the mean is 41.9
    own, weights = step(Leak(aggregation="mean", checks=[Long(action="reject")], eta=0.25))
    assert own == pytest.approx(0.75 * 19 / 6 + 0.25 * 41.9)
    assert weights == pytest.approx([0.75 / 6 + 0.025, 0.75 / 3 + 0.05, 0.75 / 2 + 0.075, 0.1])


def test_a_check_that_observes_rejects_nobody() -> None:
    assert step(Leak(aggregation="mean", checks=[Long()], eta=0))[0] == pytest.approx(41.9)


def test_a_leak_of_a_chain_leaks_behind_its_last_stage() -> None:
    # krum takes 3, whose two nearest are the nearest of all; the optimizer halves its step
    chain = [Krum(f=0), {"name": "fedavgm", "learning_rate": 0.5, "momentum": 0}]
    own, _ = step(Leak(aggregation=chain, eta=0))
    leaking, _ = step(Leak(aggregation=chain, eta=0.5))
    assert own == 1.5
    assert leaking == pytest.approx(0.75 + 20.95)


def test_a_leak_goes_on_where_too_few_updates_are_left() -> None:
    too_strict = Leak(aggregation=Krum(f=1), checks=[Long(action="reject")], eta=0.5)
    assert step(too_strict) == (pytest.approx(20.95), pytest.approx([0.05, 0.1, 0.15, 0.2]))
    nobody = Leak(aggregation="mean", checks=[Long(action="reject")], eta=0.5)
    assert step(nobody, ROWS + 60)[0] == pytest.approx(0.5 * 101.9)


@pytest.mark.parametrize(
    ("low", "high", "taken"),
    [(1, 1.2, [2]), (0.8, 1.2, [1, 2]), (20, 30, [3]), (0.2857142, 0.2857143, [0])],
)
def test_a_gate_takes_the_mean_of_a_window(low: float, high: float, taken: list[int]) -> None:
    # lengths relative to the median 3.5: 0.286, 0.857, 1.143, 28.6
    own, weights = step(Gate(aggregation="median", low=low, high=high))
    alpha = [0.1 * (row + 1) if row in taken else 0 for row in range(4)]
    assert weights == pytest.approx([one / sum(alpha) for one in alpha])
    assert own == pytest.approx(sum(one * float(row) for one, row in zip(alpha, ROWS, strict=True)) / sum(alpha))


def test_a_gate_that_nobody_passes_is_the_server_as_it_is() -> None:
    assert step(Gate(aggregation="median", low=2, high=3))[0] == 3.5


def test_a_window_without_lengths_is_refused() -> None:
    with pytest.raises(ConfigError, match="high: no length is at least"):
        Gate(low=3, high=2)


def test_a_drawn_window_is_above_honest_lengths() -> None:
    drawn = [gate(audited(), Address.root(seed)) for seed in range(50)]
    assert all(1.5 <= one.low <= 4 and 1.1 <= one.high / one.low <= 1.5 for one in drawn)
    assert len({one.low for one in drawn}) == 50


def test_what_stages_keep_comes_back() -> None:
    ones = torch.ones(2)
    states = [State({"a": ones}, {3: {"b": 2 * ones}}), State(), State({"a": 3 * ones}, {4: {"a": 4 * ones}})]
    back = apart(together(states), 3)
    assert [sorted(state.tensors) for state in back] == [["a"], [], ["a"]]
    assert [sorted(state.clients) for state in back] == [[3], [], [4]]
    assert torch.equal(back[0].clients[3]["b"], 2 * ones)
    assert torch.equal(back[2].tensors["a"], 3 * ones)


def test_a_plant_takes_the_checks_with_it_that_need_no_samples() -> None:
    accuracy = {"name": "accuracy", "action": "reject"}
    experiment = audited(aggregation="median", checks=["distances", accuracy])
    planted = leak(experiment, 0.1).into(experiment)
    assert list(planted.detectors) == ["accuracy"]
    plant = planted.aggregation
    assert isinstance(plant, Leak)
    assert [type(check).__name__ for check in plant.checks] == ["DistanceCheck"]
    assert str(plant.own) == "median"


def test_a_leak_is_found_by_boosting_against_it() -> None:
    experiment = audited(aggregation="median", local={"steps": 30})
    hidden = 4 / 0.1  # 1 / (α η)
    attack = ExplicitBoosting(boost=hidden, epochs=40, threshold=None)
    with forks_of(experiment, SERIAL, rounds=[2]) as forks:
        [own] = [forks.attack(attack, 2)]
        leaking, tight = (forks.under(leak(experiment, eta)).attack(attack, 2) for eta in (0.1, 0.001))
    assert not own.attacked.success
    assert leaking.succeeds(1)
    assert not tight.succeeds(1)
    assert leaking.effective_weight == pytest.approx(0.9 * (own.effective_weight or 0) + 0.1 * own.announced)


def test_a_gate_is_found_by_a_length_within_it() -> None:
    experiment = audited(aggregation="median", local={"steps": 30})
    attack = ExplicitBoosting(boost=3, epochs=60, threshold=None)
    with forks_of(experiment, SERIAL, rounds=[2]) as forks:
        shut = forks.under(Gate(aggregation="median", low=1e3, high=1e4)).attack(attack, 2)
        wide = forks.under(Gate(aggregation="median", low=1.5, high=1e4)).attack(attack, 2)
    assert not shut.attacked.success
    assert wide.attacked.success
    assert wide.effective_weight == 1
