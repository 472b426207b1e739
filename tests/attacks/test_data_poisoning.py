import pytest
import torch
from attacker import deep, look, poisoned
from oracle import honest, poisoning
from torch import Tensor

from fedlens.attacks.attack import View
from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.training.local import LocalTraining


def sent(attack: DataPoisoning, view: View) -> Tensor:
    """What it sends when it has poisoned the samples."""
    return attack.craft(poisoned(attack, view))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("copies", [1, 10])
def test_the_update_is_that_of_the_plain_loop(optimizer: str, copies: int) -> None:
    plan = {"epochs": 2, "batch_size": 6, "optimizer": optimizer, "learning_rate": 0.05}
    view = deep(local=LocalTraining.model_validate(plan))
    update = sent(DataPoisoning(data_rep=copies), view)
    torch.testing.assert_close(update, poisoning(view, copies), rtol=0, atol=1e-12)
    assert (update - honest(view, view.local, view.address)).abs().max() > 0.01
    assert view.log == {"steps": 2 * 4 if copies == 1 else 2 * 7, "boost": 1}  # 22 or 40 samples


def test_there_are_ten_copies_and_no_boost_by_default() -> None:
    assert torch.equal(sent(DataPoisoning(), deep()), sent(DataPoisoning(data_rep=10, boost=1), deep()))


def test_it_trains_for_as_many_steps_as_honest_clients_where_those_are_fixed() -> None:
    view = deep(local=LocalTraining(steps=3, batch_size=6))
    sent(DataPoisoning(), view)
    assert view.log["steps"] == 3


def test_the_shard_stays_as_it_is() -> None:
    view = look()
    sent(DataPoisoning(), view)
    assert len(view.shard) == 3
    assert torch.equal(view.shard.x, look().shard.x)
    assert torch.equal(view.weights, look().weights)
