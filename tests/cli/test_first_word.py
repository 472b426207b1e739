"""How soon a command says its first word: what takes seconds to import is imported when it is needed."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from small import small
from torch.nn import functional

import fedlens
from fedlens.core import lazy
from fedlens.core.registry import BUILT_IN

HEAVY = {"torch", "pandas", "scipy", "sklearn", "matplotlib"}
CODE = f"""
import runpy
import sys
sys.argv = ["fedlens", *sys.argv[1:]]
from fedlens.cli import main
try:
    main()
finally:
    print("imported:", *sorted({HEAVY!r} & set(sys.modules)))
"""


def imported(*arguments: str) -> tuple[str, list[str]]:
    """What a command says, and what of the heavy libraries it has imported by then."""
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    said, _, modules = done.stdout.rpartition("imported:")
    return said + done.stderr, modules.split()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("-h", "Commands:"),
        ("list", "aggregation=NAME"),
        ("list rules", "krum-authors"),
        ("list krum", "aggregation.f=1"),
        ("cache", "controls"),
        ("run quickstart -o clients=0", "e.g. -o clients=10"),
        ("run quickstart -o aggregation=krum", "e.g. -o aggregation.f=1"),
        ("run quickstart -o attack.bost=2", "did you mean attack.boost?"),
        ("run fig4-constrained -o model=smal", "did you mean small?"),
        ("run quikstart", "did you mean quickstart?"),
        ("partition quickstart -o partition.alpha=2", "-o partition.name=dirichlet"),
        ("sweep grid.yaml", "did you mean seed?"),
        ("show nowhere", "no run is there"),
    ],
    ids=lambda one: one if "-" in one else None,
)
def test_what_needs_no_tensor_waits_for_no_library(
    arguments: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text("experiment: quickstart\nproduct: {sed: [0, 1]}\n")
    said, modules = imported(*arguments.split())
    assert words in said
    assert modules == []


def test_a_run_is_shown_without_them(tmp_path: Path) -> None:
    checks = ("accuracy", "distances", "statistics")
    fedlens.run(small(rounds=1, checks=checks), tmp_path / "run", engine="serial")
    said, modules = imported("show", str(tmp_path / "run"))
    assert "test accuracy" in said
    assert modules == []


def test_no_built_in_component_needs_them_to_be_described(tmp_path: Path) -> None:
    names = {kind: list(components) for kind, components in BUILT_IN.items() if kind != "method"}
    (tmp_path / "names.yaml").write_text(yaml.safe_dump(names))
    code = (
        "import sys, yaml; from fedlens.core.registry import resolve\n"
        "for kind, names in yaml.safe_load(open(sys.argv[1])).items():\n"
        "    for name in names: resolve(kind, name).model_fields\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "names.yaml")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_sweep_leaves_them_to_its_workers() -> None:
    code = f"import sys, fedlens.sweeps.sweep; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_imported_late_is_the_same() -> None:
    assert lazy.torch.Tensor is torch.Tensor
    assert lazy.nn.Linear is torch.nn.Linear
    assert lazy.functional.relu is functional.relu
    with pytest.raises(AttributeError, match="tensr"):
        lazy.torch.tensr  # type: ignore[attr-defined] # noqa: B018


def test_the_package_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["elsewhere", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("fedlens", run_name="__main__")
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("fedlens ")
