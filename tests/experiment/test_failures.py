from pathlib import Path
from typing import Any

import pytest
import torch
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.attacks.honest import Honest
from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.defences.krum import Krum
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.failures import Failures
from fedlens.experiment.setting import Setting
from fedlens.runs.record import RoundRecord
from fedlens.runs.round_result import RoundResult
from fedlens.simulation.runtime import Runtime
from fedlens.simulation.simulation import simulate
from fedlens.training.local import LocalTraining

ROOT = Address.root(5)
SOMETIMES = {"dropout": 0.4}


def results(engine: Any = "serial", **changes: Any) -> list[RoundResult]:
    fixed: dict[str, Any] = {"clients": 6, "attack": None, "failures": SOMETIMES}
    return list(simulate(small(**(fixed | changes)), engine=engine))


def setting(**changes: Any) -> Setting:
    return Runtime().prepare(small(**({"clients": 6, "attack": None, "failures": SOMETIMES} | changes)))


def test_each_client_fails_as_often_as_said_and_independently() -> None:
    failures = Failures(dropout=0.3, stragglers=0.6, work=0.25)
    failed = [failures.failed(range(10), 1, round_, ROOT) for round_ in range(200)]
    shares = [sum(client in clients for clients in failed) / 200 for client in range(10)]
    assert all(0.2 < share < 0.4 for share in shares)
    assert len({len(clients) for clients in failed}) > 4
    works = [failures.work_of(client, round_, ROOT) for client in range(10) for round_ in range(100)]
    assert set(works) == {0.25, 1.0}
    assert 0.55 < works.count(0.25) / 1000 < 0.65
    assert failed == [failures.failed(range(10), 1, round_, ROOT) for round_ in range(200)]


def test_a_clients_failure_does_not_depend_on_who_else_was_chosen() -> None:
    failures = Failures(dropout=0.5)
    both = [(failures.failed(range(9), 0, r, ROOT), failures.failed([2, 5], 0, r, ROOT)) for r in range(50)]
    assert all([client for client in many if client in (2, 5)] == few for many, few in both)


def test_as_many_are_left_as_the_rule_needs() -> None:
    failures = Failures(dropout=0.9)
    for round_ in range(50):
        few = failures.failed(range(6), 4, round_, ROOT)
        assert len(few) <= 2
        assert set(few) <= set(failures.failed(range(6), 1, round_, ROOT))
    assert failures.failed([1], 1, 1, ROOT) == []


def test_reliable_clients_never_fail() -> None:
    failures = Failures(dropout=0.9, stragglers=1, reliable=(2, 3))
    assert not any({2, 3} & set(failures.failed(range(6), 0, round_, ROOT)) for round_ in range(50))
    assert [failures.work_of(client, 1, ROOT) for client in range(4)] == [0.5, 0.5, 1, 1]
    assert Failures(dropout=0.9, reliable="attackers").settled([4]).reliable == (4,)


def test_who_failed_is_recorded_and_has_no_weight_in_the_aggregate() -> None:
    rounds = results()
    prepared = setting()
    assert any(result.record.failed for result in rounds)
    for result in rounds:
        record = result.record
        assert record.failed == prepared.failed(record.round)
        assert sorted([*record.cohort, *record.failed]) == list(range(6))
        assert sum(record.effective_weights or []) == pytest.approx(1)
        assert record.plain().get("failed", []) == record.failed


def test_a_round_without_failed_clients_is_recorded_as_ever() -> None:
    [first, *_] = results(failures=None)
    assert "failed" not in first.record.plain()
    assert all("work" not in client for client in first.record.plain()["clients"])


def test_the_chain_always_gets_what_it_needs() -> None:
    for result in results(clients=6, aggregation=Krum(f=1), failures={"dropout": 0.95}):
        assert len(result.record.cohort) == Krum(f=1).minimum
        assert result.record.skipped is None


def test_stragglers_train_on_part_of_their_batches() -> None:
    plan = LocalTraining(epochs=2, batch_size=10)
    assert len(plan.shortened(0.5).sizes_for(95)) == 10
    assert LocalTraining(steps=7).shortened(0.5).steps_for(9) == 4
    assert LocalTraining(epochs=1).shortened(0.1).steps_for(9) == 1
    assert plan.shortened(1.0) is plan
    [all_of_them, *_] = results(
        failures={"stragglers": 1, "work": 0.5}, rounds=1, local={"epochs": 2, "batch_size": 50}
    )
    [shorter, *_] = results(failures=None, rounds=1, local={"epochs": 1, "batch_size": 50})
    assert torch.equal(all_of_them.state.weights, shorter.state.weights)
    assert [client.work for client in all_of_them.record.clients] == [0.5] * 6
    assert all_of_them.record.plain()["clients"][0]["work"] == 0.5


def test_stragglers_train_side_by_side_as_alone() -> None:
    failing = {"stragglers": 0.5, "work": 0.3, "dropout": 0.2}
    plan = {"failures": failing, "local": {"epochs": 2, "batch_size": 20}, "clients": 8, "rounds": 2}
    one, other = results(**plan), results("vectorised", **plan)
    assert {client.work for result in one for client in result.record.clients} == {0.3, 1.0}
    for first, second in zip(one, other, strict=True):
        assert (first.record.cohort, first.record.failed) == (second.record.cohort, second.record.failed)
        torch.testing.assert_close(first.state.weights, second.state.weights, rtol=0, atol=1e-5)


def test_the_benign_twin_has_the_same_failures() -> None:
    for reliable in ("attackers", [], [0]):
        failures = {"dropout": 0.5, "stragglers": 0.5, "reliable": reliable}
        attacked = setting(attack=Honest(), attackers={"clients": [1, 2]}, failures=failures)
        twin = setting(**{name: getattr(attacked.experiment.twin(), name) for name in ("attack", "failures")})
        for round_ in range(1, 20):
            assert attacked.failed(round_) == twin.failed(round_)
            assert all(attacked.work(client, round_) == twin.work(client, round_) for client in range(6))
    assert not any({1, 2} & set(setting(failures={"dropout": 0.9, "reliable": [1, 2]}).failed(r)) for r in range(9))


def test_an_honest_attacker_is_its_twin() -> None:
    rounds = results(attack=Honest(), failures={"dropout": 0.3, "stragglers": 0.5}, control=True)
    assert any(result.record.failed for result in rounds)
    for result in rounds:
        assert result.record.twin is not None
        assert result.record.twin.quality == result.record.quality


class Weighs(Attack):
    """Says what weight it is told, and how many others' updates it sees."""

    sight = "all"

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        view.log.update(alpha_told=view.alpha, others=len(view.others), steps=view.local.steps_for(100))
        return view.train()


def test_attackers_do_not_know_who_will_fail_before_it_has() -> None:
    failures = {"dropout": 0.5, "reliable": "attackers"}
    rounds = results(attack=Weighs(boost=2), failures=failures, rounds=4)
    assert any(result.record.failed for result in rounds)
    for result in rounds:
        assert result.record.malicious is not None
        log = result.record.malicious.attack.log  # type: ignore[union-attr]
        assert log["alpha_told"] == pytest.approx(1 / 6, rel=0.02)
        assert log["others"] == len(result.record.cohort) - 1


def test_a_resumed_run_has_the_same_failures(tmp_path: Path) -> None:
    experiment = small(clients=6, attack=None, failures={"dropout": 0.4, "stragglers": 0.4})
    fedlens.run(experiment, tmp_path / "whole", engine="serial")

    class Stop(fedlens.Callback):
        def round(self, record: RoundRecord) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fedlens.run(experiment, tmp_path / "cut", observer=Stop(), engine="serial")
    fedlens.run(experiment, tmp_path / "cut", engine="serial", resume=True)
    whole, cut = ((tmp_path / name / "rounds.jsonl").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    assert b'"failed"' in whole
    assert fedlens.load_run(tmp_path / "cut").records[0].failed == [*setting().failed(1)]


def test_the_default_is_in_no_identity_and_nothing_else_is_accepted() -> None:
    assert "failures" not in Experiment().relevant()
    assert Experiment(failures=SOMETIMES).identity() != Experiment().identity()  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"failures.reliable: there is no client 12; the last is 9, -o '"):
        Experiment(failures={"dropout": 0.1, "reliable": [12]})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"say how often clients fail; e\.g\. -o failures\.dropout=0\.1"):
        Experiment(failures={})  # type: ignore[arg-type]
