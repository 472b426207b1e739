"""Code without a file is told by what it does, and by nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from fedlens.core.bytecode import has_file, told
from fedlens.core.code import digest, files_behind

CODE = """
import functools, math, json
import numpy as np
import torch
from torch import nn
from fedlens import Attack, Model
SCALE = 2.0
NAMES = {"b": [1, 2], "a": (3.5, None)}
WEIGHTS = torch.tensor([1.0, 2.0])
ARRAY = np.arange(3)
UNUSED = 1
def deepest(x):
    return x + 1
def helper(x, factor=3):
    def inner(y):
        return deepest(y) * SCALE
    return inner(x) * factor if x in {"p", "q", "r"} else NAMES
def made(power):
    return lambda x: x ** power
square = made(2)
class Base(Attack):
    strength: float = 1.5
    def other(self):
        return WEIGHTS.sum() + ARRAY.sum()
class Layer(nn.Module):
    _slope = 0.1
    def forward(self, x):
        return x * self._slope
class Component(Base):
    push: int = 7
    table = functools.partial(helper, factor=5)
    @property
    def double(self):
        return 2 * self.push
    @staticmethod
    def plain(x):
        return square(x)
    @classmethod
    def of(cls):
        return cls()
    def craft(self, view):
        # a comment
        def within():
            return helper(1)
        return super().craft(view) + within() + math.pi + Layer()(view)
"""

CHANGES = {
    "a global number": ("SCALE = 2.0", "SCALE = 2.5"),
    "an entry of a global": ("[1, 2]", "[1, 3]"),
    "a global tensor": ("torch.tensor([1.0, 2.0])", "torch.tensor([1.0, 2.5])"),
    "a global array": ("np.arange(3)", "np.arange(4)"),
    "a helper of a helper": ("return x + 1", "return x - 1"),
    "a default": ("factor=3", "factor=4"),
    "a set of words": ('{"p", "q", "r"}', '{"p", "q", "s"}'),
    "what a closure holds": ("square = made(2)", "square = made(3)"),
    "a base's default": ("strength: float = 1.5", "strength: float = 1.6"),
    "a base's method": ("WEIGHTS.sum() +", "WEIGHTS.mean() +"),
    "a type": ("push: int = 7", "push: float = 7"),
    "a field's default": ("push: int = 7", "push: int = 8"),
    "what a partial function holds": ("helper, factor=5", "helper, factor=6"),
    "a property": ("return 2 * self.push", "return 3 * self.push"),
    "a class method": ("return cls()", "return cls"),
    "a function within": ("helper(1)", "helper(2)"),
    "another method": ("super().craft(view) +", "super().other() +"),
    "an attribute of a layer": ("_slope = 0.1", "_slope = 0.2"),
    "a layer": ("x * self._slope", "x + self._slope"),
    "the base": ("class Component(Base)", "class Component(Attack)"),
}
SAME = {
    "a comment": ("# a comment", "# another one"),
    "lines": ("SCALE = 2.0", "\n\n\nSCALE = 2.0"),
    "what is not used": ("UNUSED = 1", "UNUSED = 2"),
    "an import": ("import functools, math, json", "import functools, math, re"),
    "another class": ("class Component(Base)", "class Other(Base):\n    pass\nclass Component(Base)"),
}


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A main module as a notebook has it: without a file."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


def component(code: str = CODE) -> type:
    """The class in the code, as a session would have it."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    exec(compile(code, "<cell>", "exec"), vars(module))
    found: type = module.Component
    return found


def test_the_same_code_is_told_alike() -> None:
    assert list(told(component())) == list(told(component()))
    assert digest([component()]) == digest([component()])


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_it_refers_to_counts(change: str) -> None:
    old, new = CHANGES[change]
    assert CODE.count(old) == 1
    assert digest([component(CODE.replace(old, new))]) != digest([component()])


@pytest.mark.parametrize("same", SAME)
def test_nothing_else_does(same: str) -> None:
    old, new = SAME[same]
    assert CODE.count(old) == 1
    assert digest([component(CODE.replace(old, new))]) == digest([component()])


def test_it_is_the_same_in_every_process() -> None:
    script = "from test_bytecode import component\nfrom fedlens.core.code import digest\nprint(digest([component()]))"
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", script]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1


def test_what_has_a_file_is_only_named() -> None:
    assert list(told(Iterator)) == ["collections.abc.Iterator"]
    assert [has_file(name) for name in ("builtins", "torch", __name__, "math", "__main__")] == [True] * 4 + [False]


def test_modules_that_it_refers_to_count_by_their_files(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("told_beside", "told_late", "told_never"):
        with open(f"{tmp_path}/{name}.py", "w") as file:  # noqa: PTH123
            file.write("def do(): pass")
    code = CODE.replace("SCALE = 2.0", "SCALE = 2.0\nimport told_beside, told_never")
    code = code.replace("return x + 1", "import told_late; return told_beside.do()")
    assert list(files_behind([component(code)])) == ["told_beside", "told_late"]
