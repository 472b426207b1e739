from typing import Any

import pytest
import torch
from attacker import after_the_round, deep, poisoned
from oracle import Plain, descend
from planting import after, is_planted, rate
from torch import Tensor

from fedlens.attacks.constrain_and_scale import ANOMALY, Anomaly, ConstrainAndScale
from fedlens.attacks.model_replacement import ModelReplacement
from fedlens.core.errors import ConfigError
from fedlens.training.local import LocalTraining, batches

PLAN = LocalTraining(epochs=3, batch_size=6, optimizer="sgd", learning_rate=0.1)


def test_what_is_anomalous_by_hand() -> None:
    here, there = torch.tensor([3.0, 4.0]), torch.tensor([0.0, 8.0])
    assert float(ANOMALY["l2"](here, there)) == 5
    assert float(ANOMALY["cosine"](here, there)) == pytest.approx(0.2)  # 1 − 32/(5 · 8)
    assert float(ANOMALY["cosine"](here, here)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("anomaly", "gradient"),
    # of the norm, along (3, −4)/5; of 1 − cos at x = (3, 4) and w along (0, 1): (x_1 x_2, −x_1²)/‖x‖³
    [("l2", (0.6, -0.8)), ("cosine", (12 / 125, -9 / 125))],
)
def test_its_gradient_by_hand(anomaly: Anomaly, gradient: tuple[float, float]) -> None:
    here = torch.tensor([3.0, 4.0], requires_grad=True)
    ANOMALY[anomaly](here, torch.tensor([0.0, 8.0])).backward()  # type: ignore[no-untyped-call]
    assert here.grad is not None
    assert here.grad.tolist() == pytest.approx(gradient)


def crafted(**options: Any) -> Tensor:
    attack = ConstrainAndScale(boost=1, data_rep=2, **options)
    return attack.craft(poisoned(attack, deep(local=PLAN)))


def distance(anomaly: str, weights: Tensor, received: Tensor) -> Tensor:
    if anomaly == "l2":
        return ((weights - received) ** 2).sum().clamp(min=1e-60).sqrt()
    return 1 - (weights * received).sum() / ((weights**2).sum().sqrt() * (received**2).sum().sqrt())


@pytest.mark.parametrize("anomaly", ["l2", "cosine"])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_the_update_is_that_of_the_plain_loop(anomaly: Any, alpha: float) -> None:
    attack = ConstrainAndScale(alpha=alpha, anomaly=anomaly, data_rep=2)
    view = poisoned(attack, deep(local=PLAN))
    plain = Plain(view.weights)
    optimizer = plain.optimizer(PLAN)
    for batch in batches(view.shard, PLAN, view.address):
        present = torch.nn.utils.parameters_to_vector(plain.module.parameters())
        loss = alpha * plain.loss(batch.x, batch.y) + (1 - alpha) * distance(anomaly, present, view.received)
        descend(optimizer, loss)
    expected = plain.vector - view.weights
    torch.testing.assert_close(crafted(alpha=alpha, anomaly=anomaly), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("anomaly", ["l2", "cosine"])
def test_the_term_is_in_the_gradient(anomaly: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same weights, away from the global ones, the gradients for three α lie on a line, and differ."""
    found = []
    for alpha in (0.0, 0.5, 1.0):
        view = deep(local=PLAN)
        gradient = ConstrainAndScale(alpha=alpha, anomaly=anomaly)._steering(view).gradient
        assert gradient is not None
        view.network.load(view.received * 1.5 + 0.1)
        view.network.backward(view.shard.x, view.shard.y)
        gradient()
        found.append(view.network.gradient.clone())
    torch.testing.assert_close(found[1], (found[0] + found[2]) / 2)
    assert float(found[0].norm()) > 1e-3
    assert float((found[0] - found[2]).norm()) > 1e-3


def test_without_the_term_it_is_model_replacement_bit_for_bit() -> None:
    same = ModelReplacement(boost=1, data_rep=2)
    assert torch.equal(crafted(alpha=1), same.craft(poisoned(same, deep(local=PLAN))))


def test_the_constraint_keeps_it_nearer() -> None:
    lengths = [float(crafted(alpha=alpha).norm()) for alpha in (1, 0.7, 0.3)]
    assert lengths == sorted(lengths, reverse=True)


def test_if_the_others_send_zeros_the_global_model_is_what_it_trained() -> None:
    view, attack = deep(alpha=0.1), ConstrainAndScale(alpha=0.5)
    update = attack.craft(poisoned(attack, view))
    trained = view.network.vector.detach()
    torch.testing.assert_close(after_the_round(view, update), trained, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"alpha": -0.1}, {"alpha": 1.1}])
def test_alpha_has_to_be_said_and_is_a_share(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="alpha"):
        ConstrainAndScale(**options)  # type: ignore[arg-type]


def test_one_of_five_plants_the_trigger_under_the_mean_unless_the_constraint_is_all() -> None:
    assert is_planted(after(ConstrainAndScale(alpha=0.8)))
    assert rate(after(ConstrainAndScale(alpha=0.02))) < 0.2
