"""The same on a GPU, up to rounding; `pytest -m cuda`."""

from pathlib import Path

import pytest
import torch
from helpers.everything import cases, flat
from small import Convolutions, small
from torch import Tensor

import fedlens
from fedlens.experiment.experiment import Experiment

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]

CASES = cases()


def accuracies(experiment: Experiment, path: Path, **by: str) -> list[float]:
    return [record.quality.accuracy for record in fedlens.run(experiment, path, **by).records]  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [{}, {"model": Convolutions()}], ids=["dense", "convolutions"])
@pytest.mark.parametrize("attack", ["explicit-boosting", {"name": "alternating-minimisation", "ls": 2}], ids=str)
def test_a_run_is_that_of_the_cpu_up_to_rounding(model: dict[str, object], attack: object, tmp_path: Path) -> None:
    experiment = small(
        control=True, attack=attack, checks=["accuracy", "statistics", "distances"], validation=100, **model
    )
    cpu = accuracies(experiment, tmp_path / "cpu", engine="serial")
    for engine in ("serial", "vectorised"):
        gpu = accuracies(experiment, tmp_path / engine, engine=engine, device="cuda")
        assert gpu == pytest.approx(cpu, abs=0.02)


@pytest.mark.parametrize("name", CASES)
def test_every_component_computes_there_what_it_does_on_the_cpu(name: str) -> None:
    here = flat(CASES[name](torch.device("cpu")))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        there = flat(CASES[name](torch.device("cuda")))
    assert here.keys() == there.keys()
    for path, value in here.items():
        found = there[path].cpu() if isinstance(there[path], Tensor) else there[path]
        torch.testing.assert_close(found, value, rtol=1e-3, atol=1e-4, equal_nan=True, msg=f"{name}{path}")


def test_clients_train_in_mixed_precision_to_nearly_the_same(tmp_path: Path) -> None:
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU has no bfloat16")
    local = {"epochs": 1, "batch_size": 50, "precision": "bf16"}
    full = accuracies(small(attack=None), tmp_path / "full", engine="serial", device="cuda")
    mixed = accuracies(small(attack=None, local=local), tmp_path / "mixed", engine="serial", device="cuda")
    assert mixed == pytest.approx(full, abs=0.05)
