"""Whatever code of the user's a component depends on, by whatever way, decides its digest."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fedlens.core.code import digest, files_behind
from fedlens.defences.mean import Mean

PROJECT = {
    "mine/__init__.py": "VALUE = 1",
    "mine/component.py": """
        import json, helper, torch.nn as nn
        from . import sibling
        from .deep.inner import function
        from stars import *
        from base_elsewhere import Base
        import importlib, listed
        dynamic = importlib.import_module("dyn" + "amic")
        class Component(Base):
            def build(self):
                import lazy
                from .late import something
                importlib.import_module("by_name")
                __import__("by_dunder")
                importlib.import_module(".relative", __package__)
        """,
    "mine/sibling.py": "",
    "mine/deep/__init__.py": "",
    "mine/deep/inner.py": "def function(): pass",
    "mine/late.py": "from .latest import thing",
    "mine/latest.py": "",
    "mine/relative.py": "",
    "helper.py": "import second",
    "second.py": "import third, helper",
    "third.py": "",
    "stars.py": "",
    "base_elsewhere.py": "import of_base\nclass Base: pass",
    "of_base.py": "",
    "listed.py": "import namespace.module",
    "namespace/module.py": "",
    "dynamic.py": "",
    "lazy.py": "this is no Python",
    "by_name.py": "",
    "by_dunder.py": "",
}
ASIDE = {"unrelated.py": "", "mine/unrelated.py": "", "late.py": ""}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name, code in (PROJECT | ASIDE).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code.replace("\n        ", "\n"))
    return tmp_path


def component(name: str = "mine.component") -> type:
    found: type = importlib.import_module(name).Component
    return found


def test_all_that_a_component_imports_is_found_and_nothing_else(project: Path) -> None:
    found = {str(file.relative_to(project)) for file in files_behind([component()]).values()}
    assert found == set(PROJECT)


@pytest.mark.parametrize("name", [name for name in PROJECT if name != "mine/component.py"])
def test_an_edit_of_any_of_them_changes_the_digest(project: Path, name: str) -> None:
    before = digest([component()])
    assert digest([component()]) == before
    with (project / name).open("a") as file:
        file.write("\n# edited")
    assert digest([component()]) != before


@pytest.mark.parametrize("name", ASIDE)
def test_an_edit_of_another_file_changes_nothing(project: Path, name: str) -> None:
    before = digest([component()])
    (project / name).write_text("import third")
    assert digest([component()]) == before


def test_the_code_of_fedlens_and_of_what_is_installed_is_left_out() -> None:
    assert not files_behind([Mean, ModuleType, object])
    assert digest([Mean]) == digest([])


def test_an_installed_package_counts_where_it_defines_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    (site / "plugin").mkdir(parents=True)
    (site / "plugin/rule.py").write_text("from . import tool\nimport other\nclass Component: pass")
    for name in ("plugin/__init__.py", "plugin/tool.py", "other.py"):
        (site / name).write_text("")
    monkeypatch.syspath_prepend(site)
    assert list(files_behind([component("plugin.rule")])) == ["plugin", "plugin.rule", "plugin.tool"]


def test_code_that_has_changed_since_it_was_loaded_is_neither_the_old_nor_the_new(project: Path) -> None:
    old = digest([component()])
    (project / "helper.py").write_text("import second # edited")
    between = digest([component()])
    for name in [name for name in sys.modules if name.partition(".")[0] in {"mine", "helper"}]:
        del sys.modules[name]
    new = digest([component()])
    assert len({old, between, new}) == 3


@pytest.fixture
def rounds(tmp_path: Path) -> Path:
    (tmp_path / "shape.py").write_text("from torch import nn\nACTIVATION = nn.ReLU\n")
    (tmp_path / "base.py").write_text(
        "from shape import ACTIVATION\nfrom torch import nn\nfrom fedlens import Model\n"
        "class Base(Model):\n"
        "    def build(self, shape, classes):\n"
        "        return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), ACTIVATION(), nn.Linear(16, classes))\n"
    )
    (tmp_path / "net.py").write_text("from base import Base\nclass Net(Base):\n    pass\n")
    return tmp_path


def test_a_benign_twin_is_made_anew_where_a_helper_of_a_base_class_has_changed(rounds: Path) -> None:
    options = [
        "data=digits",
        "model=net:Net",
        "rounds=1",
        "local.batch_size=50",
        "validation=50",
        "target.select=random",
    ]

    def play(name: str) -> str:
        command = [sys.executable, "-c", "from fedlens.cli import main; main()", "run", "quickstart", "--out", name]
        command += [word for option in options for word in ("-o", option)]
        done = subprocess.run(command, cwd=rounds, env={**os.environ}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stdout)

    assert "already in" not in play("first")
    assert "already in" in play("second")
    (rounds / "shape.py").write_text("from torch import nn\nACTIVATION = nn.Sigmoid\n")
    assert "already in" not in play("third")
