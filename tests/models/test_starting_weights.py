"""A model may begin with weights from a file, whose names and shapes have to be the model's."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import ConfigError, DataError
from fedlens.experiment.setting import prepare
from fedlens.models.mlp import CensusMlp
from fedlens.models.model import Model
from fedlens.models.resnet import ResNet8
from fedlens.models.starting_weights import load_starting_weights


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the folder of the test: only files beneath may be named by absolute paths."""
    monkeypatch.chdir(tmp_path)


def written(path: Path, seed: int = 5) -> dict[str, Tensor]:
    """Write weights drawn from another seed; return them."""
    torch.manual_seed(seed)
    state = CensusMlp().build((1, 8, 8), 10).state_dict()
    save_file(state, path)
    return state


def test_a_run_begins_with_them(tmp_path: Path) -> None:
    state = written(tmp_path / "start.safetensors")
    model = {"name": "census-mlp", "weights": str(tmp_path / "start.safetensors")}
    network = prepare(small(data="digits", model=model)).network()
    for name, value in network.module.state_dict().items():
        assert torch.equal(value, state[name])
    assert torch.equal(network.layout.split(network.vector.detach())["1.weight"], state["1.weight"])


def test_another_file_is_another_beginning(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    experiment = small(data="digits", model={"name": "census-mlp", "weights": str(path)})
    assert experiment.identity() != small(data="digits", model="census-mlp").identity()
    digests = []
    for seed in (1, 2, 1):
        written(path, seed)
        digests.append(prepare(experiment).digests()["weights"])
    assert digests[0] == digests[2] != digests[1]


def test_running_statistics_come_with_them(tmp_path: Path) -> None:
    module = ResNet8(norm="batch").build((1, 8, 8), 10)
    for buffer in module.buffers():
        buffer.add_(3)
    save_file(module.state_dict(), tmp_path / "start.safetensors")
    model = ResNet8(norm="batch", weights=tmp_path / "start.safetensors")
    network = prepare(small(data="digits", model=model)).network()
    first = next(part for part in network.layout.slices if part.name.endswith("running_var"))
    assert set(network.state()[first.start : first.stop].tolist()) == {4}


class Tied(nn.Module):
    """Two layers of the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
        self.second.weight = self.first.weight


def test_shared_weights_may_have_any_of_their_names(tmp_path: Path) -> None:
    state = {name: value.clone() for name, value in Tied().state_dict().items()}
    for left_out in ("first.weight", "second.weight"):
        save_file({name: value for name, value in state.items() if name != left_out}, tmp_path / "tied")
        module = Tied()
        load_starting_weights(module, tmp_path / "tied", "tied")
        assert torch.equal(module.first.weight, state["first.weight"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"9.bias": None}, "lacks 7.bias, which census-mlp has; it has 9.bias instead; take the file of this model"),
        ({"7.bias": torch.zeros(10), "8.bias": torch.zeros(1)}, "has 8.bias, which census-mlp has not"),
        ({"7.bias": torch.zeros(3)}, "7.bias is of shape [3], and [10] in census-mlp"),
        ({"7.bias": torch.full((10,), torch.nan)}, "7.bias is not finite"),
    ],
)
def test_other_tensors_are_refused(tmp_path: Path, change: dict[str, Tensor | None], words: str) -> None:
    state = written(tmp_path / "start.safetensors")
    if "9.bias" in change:
        state["9.bias"] = state.pop("7.bias")
    else:
        state |= {name: value for name, value in change.items() if value is not None}
    save_file(state, tmp_path / "start.safetensors")
    model = {"name": "census-mlp", "weights": str(tmp_path / "start.safetensors")}
    with pytest.raises(ConfigError, match=re.escape(words)):
        fedlens.run(small(data="digits", model=model), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01."])
def test_what_is_no_file_of_tensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "start.pt"
    path.write_bytes(content)
    words = r"model.weights: .*start.pt: cannot be read as safetensors .*; write it by safetensors.torch.save_file"
    with pytest.raises(ConfigError, match=words):
        prepare(small(data="digits", model={"name": "census-mlp", "weights": str(path)})).network()


def test_the_record_does_not_say_where_they_are(tmp_path: Path) -> None:
    """A path beneath the working directory is recorded relative to it; one elsewhere has to be named by its folder."""
    (tmp_path / "mine").mkdir()
    state = written(tmp_path / "mine/start.safetensors")
    model = {"name": "census-mlp", "weights": str(tmp_path / "mine/start.safetensors")}
    assert str(tmp_path) not in str(small(data="digits", model=model).describe())
    with pytest.raises(ConfigError, match=r"is absolute, .*--data-dir /home/me/x -o model.weights=a.safetensors"):
        small(data="digits", model={"name": "census-mlp", "weights": "/home/me/x/a.safetensors"})
    there = small(data="digits", model={"name": "census-mlp", "weights": "start.safetensors"})
    network = prepare(there, data_dir=tmp_path / "mine").network()
    assert torch.equal(network.module.state_dict()["1.weight"], state["1.weight"])


def test_a_file_that_is_not_there_is_told_with_one_like_it(tmp_path: Path) -> None:
    written(tmp_path / "start.safetensors")
    experiment = small(data="digits", model={"name": "census-mlp", "weights": "strat.safetensors"})
    words = "strat.safetensors: there is no such file .* did you mean start.safetensors.* -o model.weights=start"
    with pytest.raises(DataError, match=words):
        prepare(experiment).network()


def test_a_model_of_ones_own_has_the_option_too() -> None:
    class Own(Model):
        width: int = 3

        def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
            return nn.Linear(*shape, classes)

    assert set(Own.model_fields) == {"weights", "width"}
