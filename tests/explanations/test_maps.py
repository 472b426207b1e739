import re
import sys
from pathlib import Path

import pytest
import torch
from linear import ignore
from torch import Tensor, nn
from torch.testing import assert_close

from fedlens.core.errors import ConfigError, ExplanationError
from fedlens.core.registry import BUILT_IN
from fedlens.explanations.explaining import explain
from fedlens.explanations.maps import maps_of, parse_methods
from fedlens.explanations.methods.gradients import Gradient, SmoothGrad
from fedlens.explanations.methods.method import Method
from fedlens.explanations.methods.occlusion import Occlusion
from fedlens.explanations.methods.relevance import LrpEpsilon

OWN = """
from fedlens.explanations.methods.method import Method

class Halves(Method):
    share: float = 0.5

    def attribute(self, model, inputs, classes):
        return inputs * self.share
"""


class Constant(Method):
    """A method that gives the same value everywhere, or maps of another shape."""

    value: float = 1.0
    columns: int | None = None

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        return (torch.ones_like(inputs) * self.value)[:, : self.columns]


@pytest.fixture
def model() -> nn.Module:
    """Its logits are the entries and their doubles."""
    linear = nn.Linear(2, 4, bias=False)
    linear.weight.data = torch.tensor([[1.0, 0], [0, 1], [2, 0], [0, 2]])
    return linear


def test_all_methods() -> None:
    methods = parse_methods("all")
    assert list(methods) == list(BUILT_IN["method"])
    assert all(isinstance(method, Method) for method in methods.values())


def test_names_and_options() -> None:
    words = "gradient, smoothgrad ,lrp-epsilon:epsilon=0.5,occlusion:size=2:stride=1:baseline=-1e-1,"
    assert parse_methods(words) == {
        "gradient": Gradient(),
        "smoothgrad": SmoothGrad(),
        "lrp-epsilon:epsilon=0.5": LrpEpsilon(epsilon=0.5),
        "occlusion:size=2:stride=1:baseline=-1e-1": Occlusion(size=2, stride=1, baseline=-0.1),
    }


def test_a_method_may_be_there_with_several_options() -> None:
    found = parse_methods("occlusion:size=2,occlusion:size=3,occlusion,occlusion")
    assert list(found.values()) == [Occlusion(size=2), Occlusion(size=3), Occlusion()]


def test_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halving.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    found = parse_methods("halving:Halves,halving:Halves:share=0.25")
    assert [getattr(method, "share", None) for method in found.values()] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--methods: expected names with commas between them, or all"),
        (" , ,", "--methods: expected names"),
        ("gradiant", "there is no 'gradiant'; did you mean gradient?"),
        ("gradient,all", "there is no 'all'"),
        ("occlusion:siz=2", "unknown option; did you mean method.size?"),
        ("occlusion:size=0", "method.size: a number greater than 0 is needed, not 0"),
        ("occlusion:size=[2", "--methods occlusion:size=[2, line 2: did not find expected"),
        ("lrp-epsilon:epsilon=much", "method.epsilon"),
        ("lrp-epsilon:0.5", "expected OPTION=VALUE after the colon, each once, not '0.5'"),
        ("occlusion:size=2:stride", "expected OPTION=VALUE after the colon, each once, not 'stride'"),
        ("occlusion:size=2:size=3", "each once, not 'size=3'"),
        ("occlusion:name=gradient", "each once, not 'name=gradient'"),
        ("nowhere:Method", "'nowhere' cannot be imported"),
        ("small:Convolutions", "small:Convolutions is a Convolutions, which is no Method"),
    ],
)
def test_a_mistake_is_refused(words: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_methods(words)


def test_the_class_predicted_or_another(model: nn.Module) -> None:
    x = torch.tensor([[1.0, 3], [4, 2], [1, 2]])
    methods: dict[str, Method] = {"gradient": Gradient(), "half": Constant(value=0.5)}
    told: list[int] = []
    predicted = maps_of(model, x, None, methods, told.append)
    assert sum(told) == 6
    assert predicted.classes.tolist() == predicted.predicted.tolist() == [3, 2, 3]
    assert predicted.maps["gradient"].tolist() == [[0, 2], [2, 0], [0, 2]]
    assert predicted.maps["half"].tolist() == [[0.5, 0.5]] * 3
    given = maps_of(model, x, torch.tensor([0, 1, 2]), methods, ignore)
    assert given.classes.tolist() == [0, 1, 2]
    assert given.predicted.tolist() == [3, 2, 3]
    assert given.maps["gradient"].tolist() == [[1, 0], [0, 1], [2, 0]]
    for found in (predicted, given):
        assert_close(found.probabilities, torch.tensor([[1.0, 3, 2, 6], [4, 2, 8, 4], [1, 2, 2, 4]]).softmax(1))


def test_a_model_in_training_mode_is_seen_as_evaluated_and_left_alone(model: nn.Module) -> None:
    training = nn.Sequential(nn.Dropout(0.9), model).train()
    x = torch.rand(600, 2)
    found = maps_of(training, x, None, {}, ignore)
    assert_close(found.probabilities, model(x).softmax(1).detach())
    assert training.training


def test_the_prediction_is_that_of_the_logits(model: nn.Module) -> None:
    model.weight.data.fill_(1)
    model.weight.data[3] += 1.2e-7  # a difference of logits that no probability of single precision shows
    x = torch.tensor([[0.5, 0.5]])
    found = maps_of(model, x, None, {"gradient": Gradient()}, ignore)
    assert found.predicted.tolist() == [3]
    assert found.maps["gradient"].equal(explain(model, x))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Constant(value=1e39), "mine: a map is not finite; leave the method out"),
        (Constant(columns=1), r"Constant returned attributions of shape \[3, 1\]; \[3, 2\] is right"),
    ],
)
def test_a_map_that_is_none_is_refused(model: nn.Module, method: Method, message: str) -> None:
    with pytest.raises(ExplanationError, match=message):
        maps_of(model, torch.rand(3, 2), None, {"mine": method}, ignore)


def test_a_square_that_covers_the_whole_input_is_refused(model: nn.Module) -> None:
    with pytest.raises(ExplanationError, match="occlusion: size 2 covers the whole input; choose less than 2"):
        maps_of(model, torch.rand(3, 2), None, {"occlusion": Occlusion(size=2)}, ignore)


def test_a_model_that_diverged_is_refused(model: nn.Module) -> None:
    model.weight.data.fill_(float("nan"))
    with pytest.raises(ExplanationError, match="logits are not finite"):
        maps_of(model, torch.rand(3, 2), None, {}, ignore)
