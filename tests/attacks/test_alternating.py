from dataclasses import replace
from math import ceil
from typing import Any

import pytest
import torch
from attacker import SIZE, biases, changed, cloud, deep, look, remembering
from oracle import Plain, alternating, honest, reference
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.alternating_minimisation import AlternatingMinimisation
from fedlens.attacks.attack import Attack, View
from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.registry import build
from fedlens.data.dataset import Samples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining, batches

ORDERS = ["benign-first", "malicious-first"]


def crafted(view: View, **options: Any) -> Tensor:
    return AlternatingMinimisation.model_validate({"epochs": 3, "ls": 2, **options}).craft(view)


def local(optimizer: str) -> LocalTraining:
    plan = {"epochs": 2, "batch_size": 6, "optimizer": optimizer, "learning_rate": 0.02}
    return LocalTraining.model_validate(plan)


# The plain loop


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ls": 1, "malicious_steps": 3},
        {"ls": 5, "epochs": 2.5},
        {"order": "malicious-first"},
        {"order": "malicious-first", "malicious_steps": 3, "epochs": 2.5},
        {"boost": 2.5},
        {"boost": 1, "order": "malicious-first"},
    ],
)
def test_the_update_is_that_of_the_plain_loop(optimizer: str, weights_only: bool, options: dict[str, Any]) -> None:
    view = deep(local=local(optimizer))
    update = crafted(view, **options, weights_only=weights_only)
    plain = {"epochs": 3, "ls": 2, **options}
    factor = plain.pop("boost", 5)
    expected = alternating(view, factor=factor, weights_only=weights_only, **plain)
    torch.testing.assert_close(update, expected, rtol=1e-8, atol=1e-10)
    assert view.log["boost"] == factor


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize("kind", ["global", "self", "others"])
@pytest.mark.parametrize(("norm", "rho"), [("l2", 3.0), ("wasserstein", 0.05), ("total-variation", 1e-4)])
def test_the_constrained_update_is_that_of_the_plain_loop(
    order: str, weights_only: bool, kind: str, norm: str, rho: float
) -> None:
    """The start is ahead of what was received, as under pre-optimisation correction: w_ref must tell them apart."""
    others = cloud(SIZE, seed=5) / 100
    view = deep(local=local("adam").model_copy(update={"learning_rate": 1e-4}))
    view = changed(view, {"weights": view.weights + cloud(SIZE, seed=6) / 100, "received": view.received})
    view = remembering(view, others)
    constraint = {"reference": kind, "norm": norm, "rho": rho}
    update = crafted(view, order=order, weights_only=weights_only, constraint=constraint)
    near = reference(view, kind, 3, others)
    settings: dict[str, Any] = {"epochs": 3, "ls": 2, "factor": 5, "order": order, "weights_only": weights_only}
    expected = alternating(view, near=near, norm=norm, rho=rho, **settings)
    torch.testing.assert_close(update, expected, rtol=1e-7, atol=1e-9)
    assert (expected - alternating(view, **settings)).abs().max() > 1e-5


@pytest.mark.parametrize("order", ORDERS)
def test_both_optimizers_keep_a_state_of_their_own(order: str) -> None:
    view = deep(local=local("adam"))
    update = crafted(view, order=order)
    settings: dict[str, Any] = {"epochs": 3, "ls": 2, "factor": 5, "order": order}
    torch.testing.assert_close(update, alternating(view, **settings), rtol=1e-8, atol=1e-10)
    for mistake in ("fresh", "common"):
        assert (update - alternating(view, **settings, **{mistake: True})).abs().max() > 1e-3


@pytest.mark.parametrize("order", ORDERS)
def test_a_malicious_step_at_exactly_zero_loss_is_skipped(order: str) -> None:
    view = deep(local=local("adam"), alpha=1e-4)  # the first boosted step goes so far that the loss is exactly 0
    update = crafted(view, order=order, epochs=5, malicious_steps=2)
    settings: dict[str, Any] = {"epochs": 5, "ls": 2, "factor": 1e4, "order": order, "malicious_steps": 2}
    torch.testing.assert_close(update, alternating(view, **settings), rtol=1e-8, atol=1e-7)
    assert 0 < view.log["malicious_steps"] < (20 if order == "benign-first" else 10)
    assert view.log["loss"] == 0
    assert (update - alternating(view, **settings, skip=False)).abs().max() > 1


def test_without_malicious_steps_it_is_benign_training() -> None:
    wanted = deep().auxiliary
    certain = deep().weights.clone()
    certain[-3:] = torch.tensor([900.0, 0, 0])
    view = deep(weights=certain, auxiliary=replace(wanted, target=torch.zeros_like(wanted.target)))
    update = crafted(view, epochs=3)
    assert view.log["malicious_steps"] == 0
    torch.testing.assert_close(update, honest(view, view.local.over(3), view.address), rtol=0, atol=1e-12)


# Turns


def many(view: View, samples: int) -> View:
    shard = Samples(cloud(samples, 4, seed=2).float(), torch.arange(samples) % 3)
    return changed(view, {"shard": shard})


def turns(monkeypatch: pytest.MonkeyPatch, view: View, **options: Any) -> str:
    """A letter for each pass through the model: b for a benign batch, m for the malicious one."""
    seen, backward = [], view.network.backward

    def watched(x: Tensor, y: Tensor, *rest: Any, **by: Any) -> Tensor:
        seen.append("m" if x is view.auxiliary.x else "b")
        return backward(x, y, *rest, **by)

    monkeypatch.setattr(view.network, "backward", watched)
    AlternatingMinimisation.model_validate(options).craft(view)
    return "".join(seen)


def test_the_papers_numbers_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    view = many(look(local=LocalTraining(batch_size=100)), 6000)
    assert turns(monkeypatch, view) == 60 * ("b" * 10 + "m")
    assert (view.log["steps"], view.log["malicious_steps"]) == (600, 60)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 2, "ls": 3}, "bbbmbbbmbb"),
        ({"epochs": 2, "ls": 1}, "bm" * 8),
        ({"epochs": 2, "ls": 8}, "bbbbbbbbm"),
        ({"epochs": 2, "ls": 5, "malicious_steps": 3}, "bbbbbmmmbbb"),
        ({"epochs": 2, "order": "malicious-first"}, "mbbbbmbbbb"),
        ({"epochs": 2.5, "order": "malicious-first", "ls": 99}, "mbbbbmbbbbmbb"),
        ({"epochs": 1, "order": "malicious-first", "malicious_steps": 4}, "mmmmbbbb"),
        ({"epochs": 0.1, "order": "malicious-first"}, "mb"),
    ],
)
def test_turns_by_hand(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], expected: str) -> None:
    """Twenty samples in batches of 6 are four to an epoch."""
    view = deep()
    assert turns(monkeypatch, view, **options) == expected
    assert view.log["steps"] == expected.count("b")
    assert view.log["malicious_steps"] == expected.count("m")


@pytest.mark.parametrize("ls", [1, 3, 10, 40])
def test_the_authors_order_takes_a_malicious_step_after_every_ls_batches(ls: int) -> None:
    view = many(look(local=LocalTraining(batch_size=7)), 30)
    AlternatingMinimisation(ls=ls).craft(view)
    assert view.log["steps"] == 10 * ceil(30 / 7)
    assert view.log["malicious_steps"] == 50 // ls


def test_more_batches_between_malicious_steps_than_there_are_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"attack\.ls: the shard gives 12 batches in all, fewer than ls = 13; lower"):
        crafted(deep(), ls=13)
    assert crafted(deep(), ls=12).any()
    assert crafted(deep(), ls=13, order="malicious-first").any()


def test_in_a_federation_the_error_names_the_client() -> None:
    experiment = small(attack=AlternatingMinimisation(epochs=1, ls=9))
    with pytest.raises(ClientError, match=r"malicious client 3 in round 1 .*attack\.ls: .* 8 batches .*lower"):
        next(fedlens.simulate(experiment, engine="serial"))


def test_it_sees_the_batches_of_an_honest_client(monkeypatch: pytest.MonkeyPatch) -> None:
    view, seen = deep(), list[Tensor]()
    backward = view.network.backward
    monkeypatch.setattr(
        view.network, "backward", lambda x, y, *rest, **by: (seen.append(x), backward(x, y, *rest, **by))[1]
    )
    crafted(view, ls=12)
    drawn = batches(view.shard, view.local.over(3), view.address)
    assert len(seen) == 13  # twelve batches, and a step towards the target
    assert all(torch.equal(x, batch.x) for x, batch in zip(seen, drawn, strict=False))


# Boosting


@pytest.mark.parametrize("order", ORDERS)
def test_only_the_malicious_displacement_is_boosted(order: str) -> None:
    """One benign and one malicious step of gradient descent, by hand."""
    view = deep(local=local("sgd"))
    rate, wanted = 0.02, view.auxiliary
    batch = next(batches(view.shard, view.local, view.address))
    parts = [(batch.x, batch.y, 1.0), (wanted.x, wanted.target, 5.0)]
    weights = view.weights
    for x, y, factor in parts if order == "benign-first" else reversed(parts):
        plain = Plain(weights)
        plain.loss(x, y).backward()
        gradient = torch.cat([parameter.grad.reshape(-1) for parameter in plain.module.parameters()])
        weights = weights - rate * factor * gradient
    update = crafted(view, epochs=0.25, ls=1, order=order)
    torch.testing.assert_close(update, weights - view.weights, rtol=0, atol=1e-14)


def test_weights_only_sends_the_biases_of_a_malicious_step_unboosted() -> None:
    view = deep(local=local("sgd"))
    options = {"epochs": 0.25, "ls": 1, "order": "benign-first"}
    once = crafted(view, **options, boost=1)
    whole, part = crafted(view, **options, boost=5), crafted(view, **options, boost=5, weights_only=True)
    free = biases(view)
    torch.testing.assert_close(part[free], once[free], rtol=0, atol=1e-14)
    torch.testing.assert_close(part[~free], whole[~free], rtol=0, atol=1e-14)
    assert (whole - once).abs().min() > 0


def test_the_steps_of_one_turn_are_boosted_together() -> None:
    """Gradient descent of three steps and then a boost is not three boosted steps."""
    view = deep(local=local("sgd"))
    together = crafted(view, ls=1, epochs=0.25, malicious_steps=3)
    expected = alternating(view, epochs=0.25, ls=1, factor=5, malicious_steps=3)
    torch.testing.assert_close(together, expected, rtol=1e-10, atol=1e-12)
    assert view.log["malicious_steps"] == 3


def test_what_is_sent_is_not_boosted_again() -> None:
    """The malicious model w + δ is where training ended, and keeps what the benign steps learned."""
    view = deep(shard=Samples(3 * cloud(3, 4, seed=7), torch.arange(3)))
    update = crafted(view, epochs=100, ls=20)
    view.network.load(view.weights + update)
    assert view.network.log_probabilities(view.shard.x).argmax(dim=1).tolist() == [0, 1, 2]
    view.network.load(view.weights + 5 * update)
    assert view.network.log_probabilities(view.shard.x).argmax(dim=1).tolist() != [0, 1, 2]


# The rest


def test_the_loss_that_is_logged_is_that_of_the_malicious_model_without_dropout() -> None:
    view = look(dropout=0.5)
    update = AlternatingMinimisation(ls=1).craft(view)
    view.network.load(view.weights + update)
    found = -view.network.log_probabilities(view.auxiliary.x)[0, int(view.auxiliary.target)]
    assert view.log["loss"] == pytest.approx(float(found), rel=1e-4)


def test_dropout_is_on_and_draws_from_the_address() -> None:
    attack = AlternatingMinimisation(ls=1)
    update = attack.craft(look(dropout=0.5))
    assert torch.equal(attack.craft(look(dropout=0.5)), update)
    assert not torch.equal(attack.craft(look()), update)
    assert not torch.equal(attack.craft(look(dropout=0.5, address=look().address.at("other"))), update)


def test_malicious_steps_have_a_learning_rate_of_their_own() -> None:
    """A step of SGD is as long as its rate is high, so that to double it is to double the boost."""
    view = deep(local=local("sgd"))
    faster = crafted(view, malicious_learning_rate=0.04, boost=3)
    torch.testing.assert_close(faster, crafted(view, boost=6), rtol=1e-10, atol=1e-12)
    assert not torch.equal(faster, crafted(view, boost=3))
    assert torch.equal(crafted(view, malicious_learning_rate=0.02), crafted(view))


@pytest.mark.parametrize("dropout", [True, False])
def test_dropout_can_be_off_in_malicious_steps_alone(monkeypatch: pytest.MonkeyPatch, dropout: bool) -> None:
    view, on = look(dropout=0.5), []
    backward = Network.backward

    def watched(network: Network, x: Tensor, *rest: Any, **by: Any) -> Tensor:
        on.append(("malicious" if x is view.auxiliary.x else "benign", network.module.training))
        return backward(network, x, *rest, **by)

    monkeypatch.setattr(Network, "backward", watched)
    update = crafted(view, ls=1, malicious_dropout=dropout)
    assert set(on) == {("benign", True), ("malicious", dropout)}
    assert torch.equal(update, crafted(look(dropout=0.5), ls=1)) == dropout
    assert not view.network.module.training


def test_options_that_came_later_leave_the_identity_of_older_experiments_alone() -> None:
    experiment = small(attack={"name": "alternating-minimisation"})
    described = experiment.relevant()["attack"]
    assert not {"malicious_learning_rate", "malicious_dropout"} & described.keys()
    others = [{"malicious_learning_rate": 0.01}, {"malicious_dropout": False}]
    changed_ones = [small(attack={"name": "alternating-minimisation", **other}) for other in others]
    assert len({one.identity() for one in (experiment, *changed_ones)}) == 3
    assert "malicious_dropout" in experiment.describe()["attack"]


@pytest.mark.parametrize("kind", ["global", "self", "others"])
def test_what_the_attacker_was_given_stays_as_it_is(kind: str) -> None:
    view, fresh = remembering(deep(), cloud(SIZE, seed=5)), remembering(deep(), cloud(SIZE, seed=5))
    crafted(view, constraint={"reference": kind})
    assert torch.equal(view.weights, fresh.weights)
    assert torch.equal(view.received, fresh.received)
    assert torch.equal(view.history[0].update, fresh.history[0].update)
    assert not view.network.module.training


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"order": "benign"}, r"attack\.order"),
        ({"ls": 0}, r"attack\.ls"),
        ({"malicious_steps": 0}, r"attack\.malicious_steps"),
        ({"constraint": {"rho": -1}}, r"attack\.constraint\.rho"),
        ({"constraint": {"norm": "linf"}}, r"attack\.constraint\.norm"),
        ({"threshold": 1}, "unknown option"),
        ({"malicious_learning_rate": 0}, r"attack\.malicious_learning_rate"),
        ({"evaluate_at": "global", "malicious_learning_rate": 0.1}, "steps of its own length"),
        ({"evaluate_at": "global", "malicious_dropout": False}, "leave out malicious_learning_rate and"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build("attack", {"name": "alternating-minimisation", **options}, Attack)
