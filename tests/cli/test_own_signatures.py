"""A method of the user's own that takes something else than it is called with is told before anything runs."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml
from helpers.calling import called
from small import small
from torch import Tensor, nn

import fedlens
from fedlens.core.errors import ConfigError
from fedlens.core.registry import require_complete

CODE = """\
from functools import wraps
from torch import nn
from fedlens import Aggregate, Attack, Data, Detector, Model, Partition, Rule

class Builds(Model):
    def build(self, shape):  # 6
        return nn.Linear(*shape, 2)

class Loads(Data):
    def load(self):  # 10
        return None

class Splits(Partition):
    def split(self):  # 14
        return None

class Crafts(Attack):
    def craft(self):  # 18
        return None

class Waits(Attack):
    def craft(self, view):
        return view.train()
    def waits(self):  # 24
        return None

class Aggregates(Rule):
    averages = True
    def aggregate(self, received, extra):  # 29
        return None

class Least(Rule):
    averages = True
    def minimum(self):  # 34
        return 1
    def aggregate(self, received):
        return None

class Bound(Detector):
    def boundary(self):  # 40
        return 1.0
    def inspect(self, seen):
        return None

class Inspects(Detector):
    def inspect(self, seen, *, how):  # 46
        return None

def giving(method):
    @wraps(method)
    def given(self, view):
        return method(self, view, 2)
    return given

class Wrapped(Attack):
    @giving
    def craft(self, view, times):
        return times * view.train()

class Anything(Attack):
    def craft(self, *seen):
        return seen[0].train()
"""
TOLD = {
    "model=own:Builds": (
        "model: own:Builds: build takes (self, shape) (own.py:6); write def build(self, shape, classes)"
    ),
    "data=own:Loads": "data: own:Loads: load takes (self) (own.py:10); write def load(self, directory=None)",
    "partition=own:Splits": (
        "partition: own:Splits: split takes (self) (own.py:14); write def split(self, labels, clients, address)"
    ),
    "attack=own:Crafts": "attack: own:Crafts: craft takes (self) (own.py:18); write def craft(self, view)",
    "attack=own:Waits": "attack: own:Waits: waits takes (self) (own.py:24); write def waits(self, view)",
    "aggregation=own:Aggregates": (
        "aggregation: own:Aggregates: aggregate takes (self, received, extra) (own.py:29); "
        "write def aggregate(self, received)"
    ),
    "aggregation=own:Least": "aggregation: Least: minimum (own.py:34) is a method; write @property on the line above",
    "checks=own:Bound": "checks: own:Bound: boundary (own.py:40) is a method; write @property on the line above",
    "checks=own:Inspects": (
        "checks: own:Inspects: inspect takes (self, seen, *, how) (own.py:46); write def inspect(self, seen)"
    ),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(small(rounds=1, target={"index": 3, "target": 1}).describe()))
    Path("own.py").write_text(CODE)


@pytest.mark.parametrize(("option", "words"), TOLD.items(), ids=TOLD)
def test_what_a_method_takes_is_told_with_what_it_should(
    option: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = called(capsys, "run", "small.yaml", "-o", option, "--engine", "serial")
    assert (code, err) == (2, f"Error: {words}\n")
    assert not Path("runs").exists()


@pytest.mark.parametrize("option", ["attack=own:Wrapped", "attack=own:Anything"])
def test_what_can_be_called_is_not_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "run", "small.yaml", "-o", option, "--engine", "serial", "--no-control")[0] == 0


class Short(fedlens.Method):
    def attribute(self, model: nn.Module, inputs: Tensor) -> Tensor:  # type: ignore[override]
        return inputs


class Number(fedlens.Attack):
    craft: ClassVar[int] = 5  # type: ignore[assignment]


def test_a_method_of_explanation_is_looked_at_too() -> None:
    with pytest.raises(ConfigError, match=r"attribute takes \(self, model, inputs\) \(.*own_signatures.py:\d+\)"):
        fedlens.explain(nn.Linear(3, 2), torch.ones(1, 3), method=Short())


def test_what_is_no_method_is_said_to_be_none() -> None:
    with pytest.raises(ConfigError, match=r"craft is 5, but a method is needed; write def craft\(self, view\)"):
        require_complete("attack", Number())
