"""A page without samples: no input, record or picture is in it, and it says so; all else is as it was."""

import shutil
from pathlib import Path

import pytest
from helpers.calling import called
from PIL import Image
from reading import Reader
from small import small

import fedlens
from fedlens.report.html.one import WITHOUT_SAMPLES
from fedlens.report.html.page import write_report

pytestmark = pytest.mark.xdist_group("html")


def pictures(page: Reader) -> list[str]:
    return [str(attributes["src"]) for name, attributes in page.elements if name == "img"]


def test_images_and_maps_are_left_out(
    full: fedlens.Run, at_hand: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = full.path / "explanations"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (60, 40)).save(folder / "sample-3.png")
    try:
        read = {}
        for words in ([], ["--without-samples"]):
            file = tmp_path / f"report{len(words)}.html"
            code, _, err = called(capsys, "report", full.path, "--output", file, *words)
            assert code == 0, err
            read[bool(words)] = Reader(file.read_text())
    finally:
        (folder / "sample-3.png").unlink()
        folder.rmdir()
    assert len(pictures(read[False])) == 2
    assert pictures(read[True]) == []
    assert (WITHOUT_SAMPLES in read[False].text, read[True].text.count(WITHOUT_SAMPLES)) == (False, 2)
    assert "They have not been computed yet" not in read[True].text
    assert read[True].placed == read[False].placed  # the confusion matrix is there too
    assert f"Test sample {full.target.index[0]}" in read[True].text


def test_triggered_pictures_are_left_out(tmp_path: Path) -> None:
    run = fedlens.run(small(goal={"name": "backdoor", "target": 3}, target={}, rounds=1), tmp_path / "planted")
    for samples in (True, False):
        write_report([run.path], tmp_path / "report.html", samples=samples)
        page = Reader((tmp_path / "report.html").read_text())
        assert bool(pictures(page)) == samples
        assert ("With and without the trigger" in page.text) == samples
        assert (WITHOUT_SAMPLES in page.text) != samples


def test_records_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{20 + n},region{n % 3}zz,{'yes' if n * n % 2 else 'no'}" for n in range(120)]
    (tmp_path / "claims.csv").write_text("\n".join(["age,region,paid", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    experiment = small(data={"name": "table", "path": "claims.csv", "label": "paid"}, rounds=1)
    run = fedlens.run(experiment, Path("claims"))
    for samples in (True, False):
        write_report([run.path], Path("report.html"), samples=samples)
        text = Path("report.html").read_text()
        assert ("Record " in Reader(text).text, any(f"region{n}zz" in text for n in range(3))) == (samples, samples)
    shutil.copytree(run.path, "again")
    write_report([run.path, Path("again")], Path("report.html"))
    assert not any(word in Path("report.html").read_text() for word in ("Record ", "region0zz", "region1zz"))
