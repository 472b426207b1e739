"""A method of the user's own that fails, or gives something else than attributions, is told with its line."""

import pytest
import torch
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import ExplanationError


class Odd(fedlens.Method):
    """Gives attributions as a stranger's code might."""

    how: str

    def attribute(self, model: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor:
        if self.how == "fails":
            raise RuntimeError("no way")
        return {"nothing": None, "short": inputs[:, :2], "list": inputs.tolist(), "fine": -inputs}[self.how]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("nothing", "returned attributions of type NoneType; a tensor of shape [4, 3] is right: let attribute ("),
        ("short", "returned attributions of shape [4, 2]; [4, 3] is right: let attribute ("),
        ("list", "returned attributions of type list; a tensor of shape [4, 3] is right: let attribute ("),
        ("fails", "failed: RuntimeError: no way ("),
    ],
)
def test_what_it_returned_is_told_with_what_is_right(how: str, words: str) -> None:
    with pytest.raises(ExplanationError) as caught:
        fedlens.explain(nn.Linear(3, 2), torch.ones(4, 3), method=Odd(how=how))
    assert str(caught.value).startswith(f"method Odd {words}")
    assert "test_own_method.py:" in str(caught.value)


def test_a_sound_one_is_taken() -> None:
    x = torch.ones(4, 3)
    assert torch.equal(fedlens.explain(nn.Linear(3, 2), x, method=Odd(how="fine")), -x)
