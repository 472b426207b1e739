import re

import pytest
import torch
from small import small
from torch import nn

from fedlens.core.errors import ConfigError
from fedlens.core.random import Address
from fedlens.experiment.experiment import Experiment
from fedlens.models.mixed_precision import MixedPrecision, require_bfloat16
from fedlens.models.network import Network
from fedlens.models.stacking import find_stack
from fedlens.simulation.simulation import simulate

ADDRESS = Address.root(0)


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 3))


def gradients(network: Network) -> torch.Tensor:
    torch.manual_seed(1)
    with network.training(ADDRESS):
        network.backward(torch.randn(16, 40), torch.randint(3, (16,)))
    return network.gradient.clone()


def test_training_rounds_to_bfloat16_and_evaluation_does_not() -> None:
    """With a CPU, which imitates it."""
    mixed, full = Network(MixedPrecision(module(), "cpu")), Network(module())
    found, expected = gradients(mixed), gradients(full)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02 * float(expected.abs().max()))
    x = torch.randn(5, 40)
    assert torch.equal(mixed.log_probabilities(x), full.log_probabilities(x))


def test_clients_do_not_train_side_by_side_in_it() -> None:
    with pytest.raises(ValueError, match="it trains in mixed precision"):
        find_stack(Network(MixedPrecision(module(), "cpu")), (40,))


def test_a_device_without_it_is_refused() -> None:
    words = (
        "local.precision: bf16 is for GPUs with bfloat16, which a CPU would only imitate; e.g. -o local.precision=full"
    )
    with pytest.raises(ConfigError, match=re.escape(words)):
        require_bfloat16(torch.device("cpu"))
    with pytest.raises(ConfigError, match=re.escape(words)):
        next(simulate(small(local={"precision": "bf16"}), engine="serial"))
    assert "precision" not in Experiment().relevant()["local"]
