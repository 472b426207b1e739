import sys
from pathlib import Path

import pytest

from fedlens.attacks.explicit import ExplicitBoosting
from fedlens.cluster import modules_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("ours_part", "ours_helper", "ours_unused", "ours_package", "ours_package.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "ours_part.py").write_text("import ours_helper, ours_package.inner\nclass Part: pass\n")
    (tmp_path / "ours_helper.py").write_text("")
    (tmp_path / "ours_unused.py").write_text("")
    (tmp_path / "ours_package").mkdir()
    for name in ("__init__.py", "inner.py"):
        (tmp_path / "ours_package" / name).write_text("class Part: pass\n")
    return tmp_path


def test_a_parts_module_goes_with_what_it_loaded_from_beside_it(folder: Path) -> None:
    import ours_part

    expected = [folder / name for name in ("ours_helper.py", "ours_package", "ours_part.py")]
    assert modules_of([ours_part.Part()]) == expected


def test_a_package_goes_whole(folder: Path) -> None:
    from ours_package.inner import Part

    assert modules_of([Part()]) == [folder / "ours_package"]


def test_what_is_installed_or_ours_stays() -> None:
    assert modules_of([ExplicitBoosting(), Path()]) == []
