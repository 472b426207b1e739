import subprocess
import sys

import pytest
import torch
from torch import nn

from fedlens.models.network import Network
from fedlens.training.local import LocalTraining

REFERENCE = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_optimizer_takes_the_steps_of_pytorchs_class(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    module, plain = nn.Linear(5, 3).to(dtype), nn.Linear(5, 3).to(dtype)
    plain.load_state_dict(module.state_dict())
    network = Network(module)
    mine = LocalTraining(optimizer=name, learning_rate=0.02).new_optimizer(network)
    reference = REFERENCE[name](plain.parameters(), lr=0.02)
    x, y = torch.randn(20, 5, dtype=dtype), torch.randint(3, (20,))
    for _ in range(30):
        network.backward(x, y)
        mine.step()
        reference.zero_grad()
        nn.functional.cross_entropy(plain(x), y).backward()
        reference.step()
    expected = torch.cat([parameter.detach().reshape(-1) for parameter in plain.parameters()])
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(network.vector.detach(), expected, rtol=0, atol=tolerance)


def test_training_does_not_import_the_compiler() -> None:
    """It takes every worker more than a second."""
    code = (
        "import sys, fedlens; from small import small\n"
        "list(fedlens.simulate(small(rounds=1), engine='serial'))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="tests")
    assert done.stdout.strip() == "False"
