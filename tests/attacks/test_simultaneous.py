import pytest
import torch
from attacker import after_the_round, biases, deep, look
from oracle import simultaneous
from torch import Tensor

from fedlens.attacks.simultaneous_training import SimultaneousTraining, with_targets
from fedlens.data.dataset import Samples
from fedlens.training.local import LocalTraining


def test_the_targets_follow_the_samples() -> None:
    view = look({0: 1, 2: 1})
    both = with_targets(Samples(torch.eye(4)[1:2], torch.tensor([1])), view.auxiliary)
    assert both.x.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert both.y.tolist() == [1, 1, 1]
    thrice = with_targets(view.shard, look({0: 2}).auxiliary, copies=3)
    assert thrice.y.tolist() == [0, 1, 2, 2, 2, 2]
    assert len(view.shard) == 3


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize("epochs", [3, 0.5])
def test_the_update_is_that_of_the_plain_loop(optimizer: str, weights_only: bool, epochs: float) -> None:
    plan = {"epochs": 2, "batch_size": 6, "optimizer": optimizer, "learning_rate": 0.05}
    view = deep(local=LocalTraining.model_validate(plan))
    update = SimultaneousTraining(epochs=epochs, weights_only=weights_only).craft(view)
    expected = simultaneous(view, epochs)
    assert expected.abs().min() > 0
    boost = torch.where(biases(view), 1.0, 5.0) if weights_only else 5
    torch.testing.assert_close(update, boost * expected, rtol=0, atol=1e-11)
    assert view.log == {"steps": 12 if epochs == 3 else 2, "boost": 5}


def test_the_targets_are_in_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    view, seen = deep(), list[tuple[Tensor, Tensor]]()
    backward = view.network.backward
    monkeypatch.setattr(view.network, "backward", lambda x, y, **by: (seen.append((x, y)), backward(x, y, **by))[1])
    SimultaneousTraining(epochs=2).craft(view)
    assert [len(x) - 2 for x, _ in seen] == [6, 6, 6, 2, 6, 6, 6, 2]
    for x, y in seen:
        assert torch.equal(x[-2:], view.auxiliary.x)
        assert torch.equal(y[-2:], view.auxiliary.target)
    once = torch.cat([x[:-2] for x, _ in seen[:4]])
    assert {tuple(row) for row in once.tolist()} == {tuple(row) for row in view.shard.x.tolist()}


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.037])
def test_the_global_model_is_the_attackers_when_the_others_send_zeros(alpha: float) -> None:
    view = deep(alpha=alpha)
    update = SimultaneousTraining(epochs=3).craft(view)
    reached = view.weights + simultaneous(view, 3)
    torch.testing.assert_close(after_the_round(view, update), reached, rtol=0, atol=1e-10)


def test_both_objectives_are_met_when_boosted_and_the_malicious_one_is_not_otherwise() -> None:
    """The target is an input that the shard does not have."""
    strong, weak = [predictions(SimultaneousTraining(epochs=100, boost=boost)) for boost in ("auto", 1)]
    assert strong.argmax(dim=1).tolist() == [0, 1, 2, 1]
    assert strong[3, 1] > 0.9
    assert weak.argmax(dim=1)[:3].tolist() == [0, 1, 2]
    assert weak[3, 1] < 0.7


def predictions(attack: SimultaneousTraining) -> Tensor:
    """The probabilities ``[4, 3]`` of the global model after a round in which the others send zeros."""
    view = look({3: 1})
    view.network.load(after_the_round(view, attack.craft(view)))
    return view.network.log_probabilities(torch.eye(4)).exp()


def test_dropout_is_on_and_draws_from_the_address() -> None:
    update = SimultaneousTraining().craft(look(dropout=0.5))
    assert torch.equal(SimultaneousTraining().craft(look(dropout=0.5)), update)
    assert not torch.equal(SimultaneousTraining().craft(look()), update)
    other = look(dropout=0.5).address.at("other")
    assert not torch.equal(SimultaneousTraining().craft(look(dropout=0.5, address=other)), update)
