from math import exp, log
from typing import Any

import pytest
import torch
from attacker import HIDDEN, cloud, deep, look, poisoned
from oracle import Plain, descend
from planting import after, is_planted, rate
from torch import Tensor, nn

from fedlens.attacks.attack import View
from fedlens.attacks.chameleon import Chameleon, classifier_of, contrastive
from fedlens.core.errors import ConfigError
from fedlens.models.cnn import SmallCnn, TinyCnn
from fedlens.models.mlp import CensusMlp
from fedlens.models.network import Network
from fedlens.models.resnet import ResNet8
from fedlens.training.local import LocalTraining, batches

PLAN = LocalTraining(epochs=2, batch_size=6, optimizer="sgd", learning_rate=0.1)
ENCODER = 4 * HIDDEN + HIDDEN
"""Entries of the two-layer model before its last layer."""


def loss(embedding: Tensor, labels: Tensor, temperature: float, counts: Tensor) -> Tensor:
    """In plain words, anchor by anchor."""
    unit, found = [row / row.norm() for row in embedding], []
    for i, label in enumerate(labels.tolist()):
        others = [j for j in range(len(unit)) if j != i]
        positives = [j for j in others if int(labels[j]) == label]
        if positives:
            below = sum(torch.exp(unit[i] @ unit[j] / temperature) for j in others)
            terms = [-torch.log(torch.exp(unit[i] @ unit[j] / temperature) / below) for j in positives]
            found.append(counts[i] * sum(terms) / len(terms))
    return sum(found) / len(found)  # type: ignore[no-any-return]


# The contrastive loss


def test_the_loss_by_hand() -> None:
    """Two samples of a class in one direction, and one of another class across: its only one, so no anchor."""
    embedding, labels = torch.tensor([[3.0, 0], [1, 0], [0, 2]]), torch.tensor([0, 0, 1])
    found = contrastive(embedding, labels, 1, torch.ones(3))
    assert float(found) == pytest.approx(log(1 + exp(-1)))
    assert float(contrastive(embedding, labels, 0.5, torch.ones(3))) == pytest.approx(log(1 + exp(-2)))
    assert float(contrastive(embedding, labels, 1, torch.tensor([3.0, 1, 9]))) == pytest.approx(2 * log(1 + exp(-1)))


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_plain_words_and_weight_one_is_no_weight(seed: int) -> None:
    embedding, labels = cloud(9, 4, seed=seed), torch.arange(9) % 4
    for counts in (torch.ones(9).double(), 1 + (labels == 2).double()):
        expected = loss(embedding, labels, 0.3, counts)
        torch.testing.assert_close(contrastive(embedding, labels, 0.3, counts), expected)


def test_without_two_of_a_label_there_is_nothing_to_learn() -> None:
    embedding = cloud(3, 2, seed=1).requires_grad_()
    found = contrastive(embedding, torch.arange(3), 0.1, torch.ones(3))
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) == 0
    assert embedding.grad is not None
    assert not embedding.grad.any()


# What is trained


def crafted(view: View, **options: Any) -> Tensor:
    attack = Chameleon(**{"encoder_epochs": 1, "data_rep": 2, **options})
    return attack.craft(poisoned(attack, view))


def looped(view: View, weight: float, radius: float) -> Tensor:
    plain, wanted = Plain(view.weights), view.auxiliary.target
    optimizer, address = plain.optimizer(PLAN), view.address.at("encoder")
    for batch in batches(view.shard, PLAN.over(1), address):
        counts = torch.tensor([weight if int(y) in wanted.tolist() else 1.0 for y in batch.y])
        descend(optimizer, loss(plain.module[:2](batch.x), batch.y, 0.3, counts))  # type: ignore[index]
    project(plain, view.weights, radius)
    for parameter in plain.module[:2].parameters():  # type: ignore[index]
        parameter.requires_grad_(False)
    second = torch.optim.SGD(plain.module[2].parameters(), lr=0.1)  # type: ignore[index]
    for batch in batches(view.shard, PLAN, view.address):
        descend(second, plain.loss(batch.x, batch.y))
    project(plain, view.weights, radius)
    return plain.vector - view.weights


def project(plain: Plain, start: Tensor, radius: float) -> None:
    moved = torch.renorm((plain.vector - start)[None], 2, 0, radius)[0]
    torch.nn.utils.vector_to_parameters(start + moved, plain.module.parameters())


@pytest.mark.parametrize(("weight", "radius"), [(1.0, 1e6), (4.0, 1e6), (4.0, 0.1)])
def test_the_update_is_that_of_the_plain_loop(weight: float, radius: float) -> None:
    view = deep(local=PLAN)
    update = crafted(view, weight=weight, temperature=0.3, radius=radius)
    expected = looped(poisoned(Chameleon(data_rep=2), deep(local=PLAN)), weight, radius)
    torch.testing.assert_close(update, expected, rtol=1e-5, atol=1e-8)  # renorm adds 1e-7
    assert view.log == {"encoder_steps": 4, "steps": 8, "boost": 1}  # 24 samples in batches of 6


def test_the_weight_of_the_target_class_is_in_the_gradient() -> None:
    once, often = (crafted(deep(local=PLAN), weight=weight, radius=1e6) for weight in (1, 5))
    assert float((once - often)[:ENCODER].norm()) > 1e-3


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_first_phase_moves_the_encoder_and_the_second_the_classifier(optimizer: Any) -> None:
    plan = LocalTraining.model_validate({**PLAN.model_dump(), "optimizer": optimizer})
    short, long = (crafted(deep(local=plan), epochs=epochs, radius=1e6) for epochs in (1, 3))
    assert torch.equal(short[:ENCODER], long[:ENCODER])
    assert bool(short[:ENCODER].any())
    assert not torch.allclose(short[ENCODER:], long[ENCODER:])
    for options in ({"encoder_epochs": 2}, {"encoder_learning_rate": 0.3}):
        further = crafted(deep(local=plan), radius=1e6, **options)
        assert not torch.allclose(short[:ENCODER], further[:ENCODER])
    same = crafted(deep(local=plan), epochs=1, radius=1e6, encoder_learning_rate=0.1)
    assert torch.equal(short, same)


def test_it_stays_in_its_ball_and_boosting_is_of_the_whole() -> None:
    assert float(crafted(deep(local=PLAN), radius=0.2).norm()) == pytest.approx(0.2)
    assert float(crafted(deep(local=PLAN), radius=0.2, boost=3).norm()) == pytest.approx(0.6)


def test_no_hook_is_left_even_where_training_fails() -> None:
    view = deep(local=PLAN)
    crafted(view)
    _, layer = classifier_of(view.network)
    assert not layer._forward_pre_hooks
    view.network.module[1].forward = None  # type: ignore[index, assignment]
    with pytest.raises(TypeError):
        crafted(view)
    assert not layer._forward_pre_hooks


# The cut


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (SmallCnn().build((1, 16, 16), 3), "9"),
        (TinyCnn().build((1, 9, 9), 3), "7"),
        (CensusMlp().build((7,), 3), "7"),
        (ResNet8().build((1, 8, 8), 3), None),
    ],
    ids=["small", "tiny", "census-mlp", "resnet8"],
)
def test_the_classifier_of_our_models_is_their_last_layer(module: nn.Module, name: str | None) -> None:
    found, layer = classifier_of(Network(module))
    assert layer.out_features == 3
    assert name is None or found == name


def test_a_model_without_an_encoder_is_refused() -> None:
    with pytest.raises(ConfigError, match="chameleon needs an encoder"):
        crafted(look())
    with pytest.raises(ConfigError, match="chameleon needs an encoder"):
        classifier_of(Network(nn.Conv2d(1, 3, 2)))


@pytest.mark.parametrize("options", [{"temperature": 0}, {"weight": 0.5}, {"radius": 0}, {"encoder_epochs": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Chameleon(**options)


def test_boosted_it_plants_the_trigger_and_a_server_that_limits_norms_stops_it() -> None:
    attack = Chameleon(boost="auto", encoder_epochs=2)
    assert is_planted(after(attack))
    assert rate(after(attack, aggregation=[{"name": "clip", "max_norm": 0.3}, "mean"])) < 0.3
