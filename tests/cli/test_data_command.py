"""``fedlens data`` shows what is understood, and the experiment that it prints runs on the same data."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.calling import called
from PIL import Image

from fedlens.data.natural import Natural
from fedlens.data.table import Table
from fedlens.runs.loading import load_experiment

Capture = pytest.CaptureFixture[str]
ROWS = "".join(f"x{n},{20 + n},{'ns'[n % 2]},h{n % 3},{['no', 'yes'][n % 5 > 2]}\n" for n in range(40))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    Path("claims.csv").write_text("id,age,region,hospital,paid\n" + ROWS)


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_and_the_experiment_on_it(width: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = called(capsys, "data", "claims.csv", "-o", "data.drop=[id]", "-o", "data.group=hospital")
    assert code == 0
    assert "40 samples, 32 for training and 8 for testing; 2 classes; inputs of shape [3], float32" in out
    assert re.search(r"age +numeric +1 +min-max scaled, from \d\d to 5\d", out)
    assert re.search(r"region +category +2 +one column each: n, s", out)
    assert "Owners of samples: 3 (h0, h1, h2)" in out
    assert "Licence and source: not said" in out
    assert max(len(line) for line in out.splitlines() if line.startswith(" ")) <= width  # of tables; sentences run on
    Path("claims.yaml").write_text(out[out.index("name: claims") :])
    experiment = load_experiment("claims.yaml")
    assert experiment.data == Table(path="claims.csv", drop=("id",), group="hospital")
    assert experiment.attack is not None
    assert (experiment.partition, experiment.clients) == (Natural(), 3)
    assert called(capsys, "data", "claims.yaml")[1].splitlines()[0] == out.splitlines()[0]


def test_arrays_and_data_sets_of_ours(capsys: Capture) -> None:
    np.savez("mine.npz", x=np.ones((20, 1, 4, 4), np.uint8), y=np.arange(20) % 2)
    code, out, err = called(capsys, "data", "mine.npz")
    assert (code, "x holds bytes" in err) == (0, True)
    assert "inputs of shape [1, 4, 4]" in out
    assert "data: {name: arrays, path: mine.npz}" in out
    assert "partition" not in out.partition("name: mine")[2]
    code, out, _ = called(capsys, "data", "digits")
    assert code == 0
    assert "Licence: CC BY 4.0. Source: https://doi.org/10.24432/C50P49. To cite: E. Alpaydin" in out


@pytest.mark.parametrize("far", [False, True])
def test_a_folder_of_images(tmp_path: Path, capsys: Capture, far: bool) -> None:
    root = tmp_path / ("far pets" if far else "work/far pets")
    for number in range(10):
        for name, colour in (("cat", "#f00"), ("dog", "#00f")):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 40), colour).save(root / name / f"{number}.png")
    code, out, _ = called(capsys, "data", str(root) if far else "far pets", "-o", "data.size=8")
    assert code == 0
    assert "20 samples, 16 for training and 4 for testing; 2 classes" in out
    assert "data: {name: image-folder, path: far pets, size: 8}" in out
    assert (f"fedlens run far-pets.yaml --data-dir {tmp_path}" in " ".join(out.split())) == far
    if not far:
        words = "data: there is no 'far pets'; a folder is read so: -o 'data={name: image-folder, path: far pets}'"
        assert called(capsys, "run", "quickstart", "-o", "data=far pets") == (2, "", f"Error: {words}\n")


def test_text_is_no_table(capsys: Capture) -> None:
    Path("best.txt").write_text("It was the best of times, it was the worst of times.\n" * 100)
    code, _, err = called(capsys, "data", "best.txt")
    assert (code, err.rpartition("; ")[2]) == (
        2,
        "if it is text and no table: fedlens data text -o data.path=best.txt\n",
    )
    code, out, _ = called(capsys, "data", "text", "-o", "data.path=best.txt", "-o", "data.group=none")
    assert (code, "model: char-lstm" in out) == (0, True)


def test_a_lone_mark_is_quoted(capsys: Capture) -> None:
    Path("claims.csv").write_text("age,paid\n" + "".join(f"{n},{n % 2}\n" for n in range(30)))
    code, _, err = called(capsys, "data", "claims.csv", "-o", "data.delimiter=,")
    assert code == 2
    assert err.endswith("; if that is text, write -o 'data.delimiter=\",\"'\n")
    assert called(capsys, "data", "claims.csv", "-o", 'data.delimiter=","')[0] == 0


def test_a_folder_of_what_nothing_reads(capsys: Capture) -> None:
    Path("notes/old").mkdir(parents=True)
    Path("notes/old/a.doc").touch()
    code, _, err = called(capsys, "data", "notes")
    assert (code, err) == (
        2,
        "Error: notes: is a folder, and no run; name a file, or a folder of images by class\n",
    )


def test_an_owner_without_training_samples_is_no_client(capsys: Capture) -> None:
    Path("train.csv").write_text("age,hospital,paid\n" + "".join(f"{n},h{n % 3},{n % 2}\n" for n in range(30)))
    Path("test.csv").write_text("age,hospital,paid\n" + "".join(f"{n},other,{n % 2}\n" for n in range(10)))
    code, out, _ = called(capsys, "data", "train.csv", "-o", "data.group=hospital", "-o", "data.test=test.csv")
    assert code == 0
    assert "clients: 3\n" in out


def test_a_file_elsewhere_is_named_by_its_folder(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "far.csv").write_text("age,paid\n" + "".join(f"{n},{n % 2}\n" for n in range(30)))
    code, out, _ = called(capsys, "data", str(tmp_path / "far.csv"))
    assert code == 0
    assert f"fedlens run far.yaml --data-dir {tmp_path}" in out.replace("\n", " ")
    assert f"path: {tmp_path}" not in out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("clams.csv", "clams.csv: there is no such file in the working directory; did you mean claims.csv?"),
        (".", ".: is a folder, and no run; e.g. fedlens data claims.csv"),
        ("claims.csv", "claims.csv: column id has 40 different words in 40 rows"),
        ("adlt", "there is no preset or file 'adlt'"),
    ],
)
def test_what_it_cannot_understand(source: str, said: str, capsys: Capture) -> None:
    code, _, err = called(capsys, "data", source)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
