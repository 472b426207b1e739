"""A reproduction's directory that has nothing but its records."""

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from helpers.calling import called
from helpers.narrow import require_whole
from tinypanels import run, use_tiny

from fedlens.analysis.run_results import load_run
from fedlens.core.errors import DamagedRunError
from fedlens.studies.paper import evidence_pictures
from fedlens.studies.paper.claims import Drawing, drawings
from fedlens.studies.paper.evidence import gather
from fedlens.studies.paper.plan import panels
from fedlens.studies.paper.records import KEPT, keep, restore
from fedlens.studies.paper.reproduction import publish
from fedlens.sweeps.local_executor import LocalExecutor

COMMITTED = ("sweep.yaml", "records", "explanations.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two seeds, judged; the updates of one panel are drawn."""
    folder = tmp_path_factory.mktemp("reproduction")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        use_tiny(patch)
        draw_evolution(patch)
        assert run(folder / "made", panels(), 2, 1).failures == []
        publish(folder / "made", "quick")
    return folder / "made"


@pytest.fixture
def reproduction(made: Path, tiny_panels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    draw_evolution(monkeypatch)
    shutil.copytree(made, tmp_path / "made")
    return tmp_path / "made"


def draw_evolution(patch: pytest.MonkeyPatch) -> None:
    """Let the histograms of a panel's updates be drawn that is among the tiny ones."""
    every = {**drawings(), "fig9-evolution": Drawing(kind="evolution", of=("fig9-explicit",))}
    patch.setattr(evidence_pictures, "drawings", lambda: every)


def without_cells(folder: Path, to: Path) -> Path:
    """What is kept of a reproduction, elsewhere."""
    to.mkdir()
    for name in COMMITTED:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, to / name)
        elif (folder / name).exists():
            shutil.copy(folder / name, to / name)
    return to


def test_the_page_is_made_again_from_the_records(reproduction: Path, tmp_path: Path) -> None:
    again = without_cells(reproduction, tmp_path / "again")
    assert restore(again) == 4
    publish(again, "quick")
    for name in ("claims.json", "rounds.parquet"):
        assert (again / name).read_bytes() == (reproduction / name).read_bytes(), name
    assert (again / "README.md").read_text() == (reproduction / "README.md").read_text()
    pictures = sorted(file.name for file in (reproduction / "figures").iterdir())
    assert pictures == sorted(file.name for file in (again / "figures").iterdir())
    assert restore(again) == 0


def names_in(file: Path) -> set[str]:
    with tarfile.open(file) as archive:
        return {Path(name).name for name in archive.getnames()}


def test_the_records_are_small_and_the_same_each_time(reproduction: Path, tmp_path: Path) -> None:
    files = sorted((reproduction / "records").iterdir())
    assert [file.name for file in files] == ["quick-seed-0-target-0.tar.xz", "quick-seed-1-target-0.tar.xz"]
    before = [file.read_bytes() for file in files]
    again = without_cells(reproduction, tmp_path / "again")
    restore(again)
    archives = sorted((again / "records").iterdir())
    archives[0].unlink()
    one = archives[1].stat().st_ino
    publish(again, "quick")
    assert [file.read_bytes() for file in archives] == before
    assert archives[1].stat().st_ino == one  # nothing in it has changed, and to pack it takes long
    first, second = map(names_in, files)
    assert first == {*KEPT, "00001.safetensors", "00002.safetensors"}
    assert second == set(KEPT)  # histograms are drawn of the first seed's updates only


def test_what_is_drawn_beside_a_run_that_is_still_to_be_made_is_kept(
    reproduction: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = names_in(reproduction / "records" / "quick-seed-0-target-0.tar.xz")
    beside = Drawing(kind="evolution", of=("fig9-explicit", "data-poisoning"))
    monkeypatch.setattr(evidence_pictures, "drawings", lambda: {"fig9-evolution": beside})
    (reproduction / "records" / "quick-seed-0-target-0.tar.xz").unlink()
    publish(reproduction, "quick")
    assert names_in(reproduction / "records" / "quick-seed-0-target-0.tar.xz") == kept
    assert "evolution" not in (reproduction / "README.md").read_text()


def test_a_reproduction_goes_on_from_its_records(reproduction: Path, tmp_path: Path) -> None:
    again = without_cells(reproduction, tmp_path / "again")
    restore(again)
    played = run(again, panels(), 2, 2)
    assert played.failures == []
    new = [cell.key for cell in played.cells if (again / "cells" / cell.key / "final.safetensors").exists()]
    assert len(set(new)) == 4  # those of the second targets
    assert len(gather(again, "quick").all_runs) == 8


def test_cells_that_are_there_are_left_alone(reproduction: Path) -> None:
    (some, other, *_) = sorted((reproduction / "cells").iterdir())
    (some / "summary.json").unlink()  # as of a run that is being made
    shutil.rmtree(other)
    assert restore(reproduction) == 1
    assert not (some / "summary.json").exists()
    assert load_run(other).summary.rounds == 2


def test_weights_that_were_not_kept_are_said_to_be_missing(reproduction: Path, tmp_path: Path) -> None:
    again = without_cells(reproduction, tmp_path / "again")
    restore(again)
    run_ = next(iter(gather(again, "quick").all_runs))
    with pytest.raises(DamagedRunError, match="only its records were kept, and `fedlens run --resume"):
        run_.weights()


def member(name: str, **fields: object) -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        for field, value in fields.items():
            setattr(info, field, value)
        archive.addfile(info, io.BytesIO(b"x" * info.size))

    return add


@pytest.mark.parametrize(
    "add",
    [
        member("../../escaped", size=1),
        member("../abc/rounds.jsonl", size=1),
        member("/abc/rounds.jsonl", size=1),
        member("abc/../rounds.jsonl", size=1),
        member("abc/checks/../../x", size=1),
        member("abc/elsewhere.py", size=1),
        member("abc/checks/.hidden", size=1),
        member("abc/rounds.jsonl", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("rounds.jsonl", size=1),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, add: Callable[[tarfile.TarFile], None]) -> None:
    (tmp_path / "in" / "records").mkdir(parents=True)
    with tarfile.open(tmp_path / "in" / "records" / "some.tar.xz", "w:xz") as archive:
        add(archive)
    with pytest.raises(DamagedRunError, match=r"some\.tar\.xz: .* is no file of a run; get the archive anew"):
        restore(tmp_path / "in")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["in", "records", "some.tar.xz"]


def flipped(content: bytes) -> bytes:
    """A byte in the middle of the archive is another."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-40], flipped, lambda content: b"no archive", lambda _: b""]
)
def test_a_damaged_archive_is_named(reproduction: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    again = without_cells(reproduction, tmp_path / "again")
    file = again / "records" / "quick-seed-1-target-0.tar.xz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DamagedRunError, match=r"seed-1-target-0\.tar\.xz: damaged"):
        restore(again)
    assert not (again / "cells").exists()


def test_the_command_goes_on_from_records(
    reproduction: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = without_cells(reproduction, tmp_path / "again")
    code, out, err = called(capsys, "reproduce", "--no-run", "--out", again)
    assert code == 0, err
    assert "4 runs laid out from" in out
    assert (again / "README.md").read_text() == (reproduction / "README.md").read_text()
    code, out, err = called(capsys, "reproduce", "fig7-explicit", "--seeds", 2, "--out", again)
    assert code == 0, err
    assert "laid out" not in out
    assert "all that can be run is done already" in out


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_of_claims_fits_a_narrow_terminal(
    reproduction: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    found = []
    for columns in (400, width):
        monkeypatch.setenv("COLUMNS", str(columns))
        code, out, err = called(capsys, "reproduce", "--no-run", "--out", reproduction)
        assert code == 0, err
        found.append(out)
    assert "C15" in found[1]
    require_whole(*found, width)


def lose_a_round(cell: Path) -> None:
    lines = (cell / "rounds.jsonl").read_text().splitlines(keepends=True)
    (cell / "rounds.jsonl").write_text("".join(lines[:-1]))


@pytest.mark.parametrize("harm", [shutil.rmtree, lose_a_round])
def test_the_records_of_a_run_that_is_damaged_stay(reproduction: Path, harm: Callable[[Path], object]) -> None:
    before = {file.name: file.read_bytes() for file in (reproduction / "records").iterdir()}
    with tarfile.open(reproduction / "records" / "quick-seed-1-target-0.tar.xz") as archive:
        harm(reproduction / "cells" / Path(archive.getnames()[0]).parent)
    publish(reproduction, "quick")
    assert {file.name: file.read_bytes() for file in (reproduction / "records").iterdir()} == before


def test_records_of_another_scale_stay(reproduction: Path) -> None:
    other = reproduction / "records" / "paper-seed-0-target-0.tar.xz"
    other.write_bytes(b"of the paper's scale")
    publish(reproduction, "quick")
    assert other.read_bytes() == b"of the paper's scale"
    assert len(list((reproduction / "records").iterdir())) == 3


def test_records_of_no_runs(tmp_path: Path) -> None:
    keep(tmp_path, "quick", [])
    assert restore(tmp_path) == 0


def test_an_interrupted_call_keeps_what_is_there_in_the_table(
    reproduction: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    before = pd.read_parquet(reproduction / "rounds.parquet")
    assert len(before)
    monkeypatch.setattr(LocalExecutor, "run", interrupted)
    code, out, err = called(capsys, "reproduce", "fig7-alternating", "--first-seed", 9, "--out", reproduction)
    assert code == 130
    assert "1 cell, 0 of them done already, 1 at a time; about 60 s on 2 cores" in out
    assert "the same command goes on" in err
    pd.testing.assert_frame_equal(pd.read_parquet(reproduction / "rounds.parquet"), before)


def test_an_ordinary_sweep_is_no_place_for_a_reproduction(
    made: Path, tiny_panels: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(made, tmp_path / "sweep")
    (tmp_path / "sweep/sweep.yaml").write_text("{name: mine, experiment: quickstart}")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    for more in ((), ("--no-run",)):
        code, _, err = called(capsys, "reproduce", "fig7-alternating", "--out", tmp_path / "sweep", *more)
        assert code == 2
        assert "a sweep of other experiments is there already" in err
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_each_scale_has_a_directory_of_its_own(reproduction: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (reproduction / "README.md").read_text()
    for more in ((), ("--no-run",)):
        code, _, err = called(capsys, "reproduce", "fig7", "--scale", "paper", "--out", reproduction, *more)
        assert code == 2
        assert "a reproduction at quick scale is there already; choose another --out" in err
    assert (reproduction / "README.md").read_text() == before


def test_records_without_the_sweeps_file_are_left_alone(
    reproduction: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(reproduction / "records", tmp_path / "bare/records")
    code, _, err = called(capsys, "reproduce", "fig7-alternating", "--out", tmp_path / "bare")
    assert code == 2
    assert "sweep.yaml is missing" in err
    assert [entry.name for entry in (tmp_path / "bare").iterdir()] == ["records"]


def test_what_is_remembered_of_explanations_is_not_taken_for_nothing_when_it_is_damaged(reproduction: Path) -> None:
    page = (reproduction / "README.md").read_text()
    (reproduction / "explanations.json").write_text("{")
    with pytest.raises(DamagedRunError, match=r"explanations\.json: .*; put it back"):
        publish(reproduction, "quick")
    assert (reproduction / "README.md").read_text() == page
