import sys
from pathlib import Path
from types import ModuleType

import pytest

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.users_modules import modules_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ours_component.py").write_text("import ours_helper, ours_package.inner\nclass Component: pass\n")
    (tmp_path / "ours_helper.py").write_text("")
    (tmp_path / "ours_unused.py").write_text("")
    (tmp_path / "ours_package").mkdir()
    for name in ("__init__.py", "inner.py"):
        (tmp_path / "ours_package" / name).write_text("class Component: pass\n")
    return tmp_path


def test_a_components_module_goes_with_what_it_loaded_from_beside_it(folder: Path) -> None:
    import ours_component

    expected = [folder / name for name in ("ours_component.py", "ours_helper.py", "ours_package")]
    assert modules_of([ours_component.Component()]) == expected


def test_a_package_goes_whole(folder: Path) -> None:
    from ours_package.inner import Component

    assert modules_of([Component()]) == [folder / "ours_package"]


def test_what_is_installed_or_ours_stays() -> None:
    assert modules_of([ExplicitBoosting(), Path()]) == []


def test_the_script_that_is_running_goes_if_it_has_to_be_found_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ours_helper

    script = ModuleType("__main__")
    script.__file__ = str(folder / "script.py")
    component = type("Component", (), {"__module__": "__main__"})()
    monkeypatch.setitem(sys.modules, "__main__", script)
    beside = Path(ours_helper.__file__ or "")
    assert modules_of([component]) == [beside]
    assert modules_of([component], script=True) == [beside, folder / "script.py"]
    assert modules_of([ExplicitBoosting()], script=True) == []


def test_a_package_whose_module_is_running_goes_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ours_package.inner

    monkeypatch.setattr(ours_package.inner.Component, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", ours_package.inner)
    assert folder / "ours_package" in modules_of([ours_package.inner.Component()], script=True)
