from collections import Counter

import pytest
import torch
from helpers.records import attack_of
from small import small
from torch import Tensor
from torch.nn import functional

import fedlens
from fedlens.attacks.attack import Attack, Observation, View
from fedlens.core.errors import ClientError, ConfigError
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import Setting, prepare
from fedlens.runs.round_result import RoundResult
from fedlens.runs.state import FederationState
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.rounds import federate
from fedlens.training.local import train


def play(experiment: Experiment, state: FederationState | None = None) -> list[RoundResult]:
    with Serial() as engine:
        return list(federate(prepare(experiment).with_target(None), engine, state))


def honest_update(setting: Setting, weights: Tensor, round_: int, client: int) -> Tensor:
    samples = setting.dataset.train.take(setting.shards.indices(client))
    address = setting.root.at("client", round_, client)
    return train(setting.network(), weights, samples, setting.experiment.local, address)


def test_a_round_adds_the_weighted_updates_of_the_cohort() -> None:
    experiment = small(attack=None, rounds=1, clients=3, partition={"name": "dirichlet", "alpha": 0.3})
    setting = prepare(experiment)
    weights = setting.network().vector.detach().clone()
    sizes = setting.shards.sizes
    assert len(set(sizes.tolist())) > 1
    expected = weights.clone()
    for client in range(3):
        expected += sizes[client] / sizes.sum() * honest_update(setting, weights, 1, client)
    (result,) = play(experiment)
    torch.testing.assert_close(result.state.weights, expected, rtol=0, atol=1e-6)
    assert result.record.effective_weights == pytest.approx((sizes / sizes.sum()).tolist())
    assert result.record.cohort == [0, 1, 2]


def test_the_weights_of_those_that_are_not_absent_add_up_to_one() -> None:
    experiment = small(attack=None, rounds=1, clients=4, absent=[1], partition={"name": "dirichlet", "alpha": 0.3})
    setting = prepare(experiment)
    weights, sizes = setting.network().vector.detach().clone(), setting.shards.sizes
    present = [0, 2, 3]
    alpha = sizes[present] / sizes[present].sum()
    expected = weights.clone()
    for client, share in zip(present, alpha, strict=True):
        expected += share * honest_update(setting, weights, 1, client)
    (result,) = play(experiment)
    torch.testing.assert_close(result.state.weights, expected, rtol=0, atol=1e-6)
    assert result.record.effective_weights == pytest.approx(alpha.tolist())
    assert result.record.cohort == present


def test_absence_changes_the_rounds_in_which_the_client_would_have_been_chosen() -> None:
    experiment = small(attack=None, fraction=0.5, rounds=4, aggregation="median")
    whole = play(experiment)
    gone = min(set(range(4)) - set(whole[0].record.cohort))
    without = play(experiment.model_copy(update={"absent": (gone,)}))
    chosen = [gone in result.record.cohort for result in whole]
    assert [result.record.cohort for result in without] == [
        [client for client in result.record.cohort if client != gone] for result in whole
    ]
    first = chosen.index(True)
    assert first > 0
    for one, other in zip(whole[:first], without[:first], strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
    assert not torch.equal(whole[first].state.weights, without[first].state.weights)


def test_evaluation_is_that_of_the_new_global_model() -> None:
    experiment = small(rounds=1)
    (result,) = play(experiment)
    setting = prepare(experiment)
    network = setting.network()
    network.load(result.state.weights)
    test = setting.dataset.test
    with torch.no_grad():
        logits = network.module(test.x)
    assert result.record.quality.accuracy == pytest.approx(float((logits.argmax(1) == test.y).float().mean()), abs=3e-3)
    assert result.record.quality.loss == pytest.approx(float(functional.cross_entropy(logits, test.y)), rel=1e-5)


class Pushes(Attack):
    """Sends ones."""

    def craft(self, view: View) -> Tensor:
        return torch.ones_like(view.weights) * self.factor(view.alpha)


def test_the_malicious_model_is_the_old_global_one_plus_its_update() -> None:
    experiment = small(rounds=1, attack=Pushes(boost=0.01))
    (result,) = play(experiment)
    setting = prepare(experiment)
    network = setting.network()
    network.load(network.vector.detach() + 0.01)
    log_probabilities = network.log_probabilities(setting.dataset.test.x)
    right = (log_probabilities.argmax(1) == setting.dataset.test.y).double().mean()
    assert result.record.malicious is not None
    assert result.record.malicious.model.accuracy == pytest.approx(float(right), abs=3e-3)


def test_cohorts_are_drawn_without_replacement_and_uniformly() -> None:
    setting = prepare(small(fraction=0.5, clients=6, attack=None))
    counts = Counter(client for round_ in range(1, 1001) for client in setting.cohort(round_))
    assert all(len(set(setting.cohort(round_))) == 3 for round_ in range(1, 101))
    assert all(abs(counts[client] - 500) < 5 * (1000 * 0.25) ** 0.5 for client in range(6))
    assert setting.cohort(5) == setting.cohort(5)
    assert any(setting.cohort(1) != setting.cohort(round_) for round_ in range(2, 20))


def test_rounds_without_the_attacker_say_so() -> None:
    results = play(small(fraction=0.25, rounds=12))
    present = [result.record.malicious is not None for result in results]
    assert present == [3 in result.record.cohort for result in results]
    assert set(present) == {True, False}
    for result in results:
        assert (attack_of(result.record) is None) == (3 not in result.record.cohort)
        assert result.record.target is not None


def test_the_twin_has_the_same_cohorts_and_the_same_honest_clients() -> None:
    attacked = small(fraction=0.25, rounds=12)
    with Serial() as engine:
        twin = list(federate(prepare(attacked.twin()), engine))
    results = play(attacked)
    assert [result.record.cohort for result in results] == [result.record.cohort for result in twin]
    first = next(place for place, result in enumerate(results) if result.record.malicious)
    assert first > 0
    for one, other in zip(results[:first], twin[:first], strict=True):
        assert torch.equal(one.state.weights, other.state.weights)
    assert not torch.equal(results[first].state.weights, twin[first].state.weights)


def test_an_attacker_who_waits_is_the_honest_client_of_the_twin() -> None:
    attacked = small(attack={"name": "explicit-boosting", "delay": 3})
    with Serial() as engine:
        twin = list(federate(prepare(attacked.twin()), engine))
    results = play(attacked)
    assert torch.equal(results[1].state.weights, twin[1].state.weights)
    assert not torch.equal(results[2].state.weights, twin[2].state.weights)
    assert [attack_of(result.record) and attack_of(result.record)["reason"] for result in results] == [
        "delay",
        "delay",
        None,
    ]


def test_stop_at_ends_after_the_round_that_reaches_it() -> None:
    free = play(small(attack=None, rounds=8))
    accuracies = [result.record.quality.accuracy for result in free]
    threshold = accuracies[3]
    expected = next(place for place, accuracy in enumerate(accuracies) if accuracy >= threshold)
    stopped = play(small(attack=None, rounds=8, stop_at=threshold))
    assert len(stopped) == expected + 1 < 8


def goes_on_with_the_same_bits(experiment: Experiment, folder: object) -> list[RoundResult]:
    """The rounds of a whole run, of which the last two are also played from the state after the second."""
    whole = play(experiment)
    file = f"{folder}/state.safetensors"
    with open(file, "wb") as handle:  # noqa: PTH123
        handle.write(whole[1].state.to_bytes())
    rest = play(experiment, FederationState.load(file))
    assert [result.record for result in rest] == [result.record for result in whole[2:]]
    assert torch.equal(rest[-1].state.weights, whole[-1].state.weights)
    return whole


def test_going_on_from_a_state_gives_the_same_bits(tmp_path: object) -> None:
    goes_on_with_the_same_bits(small(rounds=4, attack=Remembers()), tmp_path)


def test_an_aim_that_depends_on_the_last_one_goes_on_too(tmp_path: object) -> None:
    attack = {"name": "alternating-minimisation", "epochs": 2, "ls": 1, "evaluate_at": "global", "boost": 4}
    resisted = small(rounds=4, attack=attack, aggregation={"name": "median"})  # so that what comes of it is lacking
    whole = goes_on_with_the_same_bits(resisted, tmp_path)
    assert len({result.record.malicious.attack.log["lead"] for result in whole if result.record.malicious}) > 2


def test_the_client_remembers_what_it_logged_and_not_how_wrong_its_estimate_was() -> None:
    attack = {"name": "alternating-minimisation", "epochs": 2, "ls": 1, "estimate": "pre"}
    last = play(small(rounds=3, attack=attack, fraction=1.0))[-1]
    (seen,) = last.state.history[3]
    log = last.record.malicious.attack.log
    assert seen.log["loss"] == log["loss"]
    assert {*log} - {*seen.log} == {"estimate_error", "estimate_cosine"}


class Remembers(Attack):
    """Logs what it remembers, and lets it matter."""

    remembers = 2

    def craft(self, view: View) -> Tensor:
        for place, seen in enumerate(view.history):
            view.log[f"seen_{place}"] = seen.round
            view.log[f"norm_{place}"] = float(seen.update.norm())
        return view.train() + 0.1 * sum((seen.update for seen in view.history), torch.zeros_like(view.weights))


def test_an_attack_remembers_its_own_rounds_as_far_back_as_it_says() -> None:
    results = play(small(rounds=4, attack=Remembers()))
    logs = [attack_of(result.record) for result in results]
    seen = [[log[key] for key in ("seen_0", "seen_1") if key in log] for log in logs if log]
    assert seen == [[], [1], [1, 2], [2, 3]]
    history = results[2].state.history[3]
    assert [entry.round for entry in history] == [2, 3]
    assert torch.equal(history[1].weights, results[1].state.weights)
    assert isinstance(history[0], Observation)
    assert not torch.equal(history[0].update, history[1].update)
    assert history[0].alpha == pytest.approx(0.25, abs=1e-3)


class Sees(Attack):
    """Sends the sum of the others' updates, negated."""

    omniscient = True

    def craft(self, view: View) -> Tensor:
        assert view.others is not None
        return -view.others.sum(dim=0)


def test_an_omniscient_attack_sees_this_rounds_updates_of_the_others() -> None:
    experiment = small(rounds=1, attack=Sees(client=1), clients=3)
    setting = prepare(experiment)
    weights = setting.network().vector.detach().clone()
    (result,) = play(experiment)
    # equal shards: the negated sum cancels what the others send
    torch.testing.assert_close(result.state.weights, weights, rtol=0, atol=1e-6)


class Counts(Rule):
    """Keeps a counter and adds nothing, or something broken."""

    broken: bool = False
    raises: bool = False

    def aggregate(self, received: Received) -> Aggregate:
        if self.raises:
            raise IndexError("out of bounds")
        count = received.state.get("count", torch.zeros(1)) + 1
        nothing = torch.zeros_like(received.updates[0])
        return Aggregate(nothing / 0 if self.broken else nothing, None, {"count": count})


COUNTS = f"0.{__name__}:Counts"


def test_a_rules_state_is_handed_on_and_survives_a_checkpoint(tmp_path: object) -> None:
    results = play(small(attack=None, aggregation=Counts()))
    assert [float(result.state.stages[COUNTS].tensors["count"]) for result in results] == [1, 2, 3]
    assert results[0].record.effective_weights is None
    file = f"{tmp_path}/state.safetensors"
    with open(file, "wb") as handle:  # noqa: PTH123
        handle.write(results[1].state.to_bytes())
    assert float(FederationState.load(file).stages[COUNTS].tensors["count"]) == 2


def test_a_rule_that_gives_no_finite_update_is_named() -> None:
    with pytest.raises(ClientError, match="Counts, in round 1, returned an update whose entry 0 is NaN; finite"):
        play(small(attack=None, aggregation=Counts(broken=True)))


def test_a_rule_that_fails_is_named() -> None:
    with pytest.raises(ClientError, match="rule Counts failed in round 1: IndexError: out of bounds"):
        play(small(attack=None, aggregation=Counts(raises=True)))


def test_a_state_moves_between_devices() -> None:
    state = play(small(rounds=2, attack=Remembers()))[-1].state
    moved = state.to(torch.device("meta"))
    tensors = [moved.weights, *[part for seen in moved.history[3] for part in (seen.weights, seen.update)]]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (moved.round, len(moved.history[3])) == (state.round, 2)


def test_a_class_that_no_record_could_name_is_refused() -> None:
    class Local(Attack):
        def craft(self, view: View) -> Tensor:
            return view.train()

    with pytest.raises(ConfigError, match="top level of a module"):
        next(fedlens.simulate(small(attack=Local())))


def test_the_callers_number_of_threads_comes_back() -> None:
    torch.set_num_threads(2)
    try:
        with Serial() as engine:
            for _ in federate(prepare(small(rounds=1, attack=None)).with_target(None), engine):
                assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_progress_counts_the_cohorts_clients() -> None:
    told: list[tuple[int, int]] = []
    with Serial() as engine:
        setting = prepare(small(rounds=1)).with_target(None)
        list(federate(setting, engine, progress=lambda done, total: told.append((done, total))))
    assert told == [(done, 4) for done in range(5)]
