"""What is passed on says neither who made it nor where: runs, sweeps and reports are searched for marked names."""

import base64
import json
import platform
import re
import shutil
import socket
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest
from helpers.calling import called
from PIL import Image

from fedlens.core.parsing import dump_yaml

HOME, USER, HOST, DATA = "homeofzelda", "zeldafitz", "zeldasmachine", "zeldasdata"
MARKERS = (HOME, USER, HOST, DATA)
EXPERIMENT = {
    "data": {"name": "table", "path": "claims.csv", "label": "paid"},
    "clients": 5,
    "rounds": 2,
    "local": {"epochs": 1},
    "attack": "explicit-boosting",
    "checks": ["distances", "statistics"],
    "control": False,
}
MINE = """
from fedlens import Attack

class Raising(Attack):
    def craft(self, view):
        print(__file__)
        raise ValueError(f"cannot read {__file__}")
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, a user and a host with marked names, and a table in a data directory elsewhere."""
    work, data = tmp_path / HOME / USER / "work", tmp_path / DATA / "own"
    for folder in (work, data):
        folder.mkdir(parents=True)
    for name, value in {"HOME": str(work.parent), "USER": USER, "LOGNAME": USER, "HOSTNAME": HOST}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    monkeypatch.chdir(work)
    rows = [(20 + n, ["north", "south", "west"][n % 3], ["no", "yes"][n * n % 2]) for n in range(120)]
    pd.DataFrame(rows, columns=["age", "region", "paid"]).to_csv(data / "claims.csv", index=False)
    (work / "claims.yaml").write_text(dump_yaml(EXPERIMENT))
    return tmp_path


def notes(picture: bytes) -> bytes:
    """The texts that a picture has with it."""
    with Image.open(BytesIO(picture)) as image:
        return repr(image.info).encode()


def contents(file: Path) -> list[bytes]:
    """What a file holds, as it is and decoded: notes in pictures, pictures in pages, columns and notes of tables."""
    found = [file.read_bytes()]
    if file.suffix == ".png":
        found.append(notes(found[0]))
    if file.suffix == ".html":
        pictures: list[bytes] = [
            base64.b64decode(code) for code in re.findall(rb"data:image/png;base64,([\w+/=]+)", found[0])
        ]
        found += map(notes, pictures)
    if file.suffix == ".parquet":
        table = pyarrow.parquet.read_table(file)
        found += [repr(table.schema.metadata).encode(), table.to_pandas().to_csv().encode()]
    return found


def marked(folder: Path) -> list[str]:
    """The files below a folder that hold a marked name, with that name."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [
        f"{file.relative_to(folder)}: {marker}"
        for file in files
        for marker in MARKERS
        if any(marker.encode() in content for content in contents(file))
    ]


@pytest.mark.parametrize("outside", [False, True])
def test_a_run_and_its_report_name_no_machine_no_user_and_no_folder(
    home: Path, outside: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    out = (home / DATA / "own" if outside else Path.cwd()) / "left/claims"
    code, _, err = called(
        capsys, "run", Path("claims.yaml").absolute(), "--data-dir", home / DATA / "own", "--out", out
    )
    assert code == 0, err
    for arguments in (["report", out], ["explain", out, "--control", out], ["plot", out, "--output", "left.svg"]):
        called(capsys, *arguments)
    code, _, err = called(
        capsys, "report", out, "--data-dir", home / DATA / "own", "--output", out.with_name("report.html")
    )
    assert code == 0, err
    shutil.copy("report.html", out.with_name("without-data.html"))
    assert len(list(out.parent.rglob("*.png"))) >= 2
    assert marked(out.parent) == []
    assert "…/own" in out.with_name("report.html").read_text()


def test_a_run_is_resumed_with_its_data_although_its_directory_does_not_name_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(capsys, "run", "claims.yaml", "--data-dir", home / DATA / "own", "--out", "left")
    (Path("left") / "summary.json").unlink()
    code, _, err = called(capsys, "run", "--resume", "--out", "left")
    assert code == 0, err
    assert marked(Path("left")) == []


def test_a_sweep_that_fails_names_no_folder_either(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.py").write_text(MINE)
    Path("grid.yaml").write_text(
        dump_yaml({"experiment": EXPERIMENT, "product": {"attack": ["mine:Raising", "explicit-boosting"]}})
    )
    called(
        capsys, "sweep", "grid.yaml", "--data-dir", home / DATA / "own", "--jobs", "1", "--out", Path("left").absolute()
    )
    code, _, err = called(capsys, "report", Path("left").absolute(), "--output", "left/report.html")
    assert code == 0, err
    (failure,) = json.loads(Path("left/failures.json").read_text())
    assert "cannot read mine.py" in failure["reason"]
    assert list(Path("left").rglob("error.txt"))
    assert "mine.py" in Path("left/workers.log").read_text()
    assert marked(Path("left")) == []
