"""Files of a run that are damaged, or that somebody has made up: a clear error, never a traceback."""

import copy
import json
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.calling import called
from helpers.made_sweeps import sweep
from small import small

import fedlens
from fedlens.analysis.collect import collect
from fedlens.core.errors import DamagedRunError
from fedlens.core.files import checksum
from fedlens.studies.paper.records import restore

Place = tuple[str | int, ...]
DEEP: Any = []
for _ in range(80):
    DEEP = [DEEP]
WRONG: list[Any] = [None, 7, -1, 1.5, True, "word", [], [[]], {}, {"a": 1}, DEEP, "NaN", [None]]
READERS = [
    ["show"],
    ["report"],
    ["compare"],
    *(["plot", "--kind", kind] for kind in ("metrics", "updates", "evolution", "distances", "selection", "checks")),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run in which much is recorded."""
    folder = tmp_path_factory.mktemp("sound")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDLENS_CACHE", str(folder / "cache"))
        checks = ["distances", "statistics", "accuracy"]
        attack = {"name": "explicit-boosting", "step_cap": 5, "delay": 2, "until": 3, "estimate": "post"}
        experiment = small(
            control=True, checks=checks, validation=50, attack=attack, clients=5, target={"r": 2, "select": "random"}
        )
        fedlens.run(experiment, folder / "run", engine="serial")
    return folder / "run"


@pytest.fixture
def run(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(sound, tmp_path / "run")


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place in a document, of long lists the first entries alone."""
    yield at
    if isinstance(value, dict):
        for name, below in value.items():
            yield from places(below, (*at, name))
    elif isinstance(value, list):
        for number, below in enumerate(value[:2]):
            yield from places(below, (*at, number))


def replaced(document: Any, place: Place, value: Any) -> Any:
    """The document with another value there; with ``...``, without what was there."""
    if not place:
        return value
    changed = copy.copy(document)
    if len(place) == 1 and value is ...:
        del changed[place[0]]
    else:
        changed[place[0]] = replaced(document[place[0]], place[1:], value)
    return changed


def rewrite(run: Path, name: str, text: str) -> None:
    """Change a file as somebody does who knows of checksums."""
    (run / name).write_text(text)
    if name != "summary.json" and (run / "summary.json").exists():
        summary = json.loads((run / "summary.json").read_text())
        summary["checksums"][name] = checksum(run / name)
        (run / "summary.json").write_text(json.dumps(summary))


def look(capsys: pytest.CaptureFixture[str], run: Path, readers: list[list[str]]) -> list[tuple[int, str]]:
    """What readers say of it; an exception of any other kind is a failure of the test."""
    return [called(capsys, command[0], run, *command[1:])[::2] for command in readers]


def damaged(run: Path) -> str | None:
    try:
        fedlens.load_run(run)
    except DamagedRunError as error:
        return str(error)
    return None


def check_all(
    run: Path, name: str, document: Any, written: Callable[[Any], str], named: str, one_in: int = 1
) -> Iterator[int]:
    """Put every wrong value, or one in so many, in every place: refused by its place, or else it can be looked at.

    Yields:
        The number of each value that may stand somewhere, when it stands wherever it may.
    """
    refused = 0
    for number, value in enumerate([*WRONG, ...]):
        everywhere, accepted = document, 0
        for position, place in enumerate(places(document)):
            if "checksums" in place or (value is ... and not place) or (number + position) % one_in:
                continue
            rewrite(run, name, written(replaced(document, place, value)))
            message = damaged(run)
            if message is None:
                with suppress(TypeError, KeyError, IndexError):  # above it, something has been replaced already
                    both = replaced(everywhere, place, value)
                    rewrite(run, name, written(both))
                    if damaged(run) is None:
                        everywhere, accepted = both, accepted + 1
            else:
                refused += 1
                assert named in message, message
                assert len(message) < 600
        if accepted:
            rewrite(run, name, written(everywhere))
            yield number
    assert refused > 100


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("one_in", [3, pytest.param(1, marks=pytest.mark.acceptance)])
def test_every_wrong_value_in_a_record(run: Path, capsys: pytest.CaptureFixture[str], one_in: int) -> None:
    lines = (run / "rounds.jsonl").read_text().splitlines()

    def written(record: Any) -> str:
        return "\n".join([lines[0], json.dumps(record), *lines[2:], ""])

    place = "rounds.jsonl, line 2: damaged ("
    for number in check_all(run, "rounds.jsonl", json.loads(lines[1]), written, place, one_in):
        for code, err in look(capsys, run, READERS[number % one_in :: one_in]):
            assert code == 0 or (code == 2 and err.startswith("Error: ")), err


@pytest.mark.parametrize("name", ["target.json", "summary.json"])
def test_every_wrong_value_in_a_document(run: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    for _ in check_all(run, name, json.loads((run / name).read_text()), json.dumps, ".json"):
        for command in (["show"], ["report"]):
            code, _, err = called(capsys, *command, run)
            assert code == 0 or (code == 2 and err.startswith("Error: ")), err


@pytest.mark.parametrize(
    "line", ["", "null", "[]", "7", '"x"', "{", "{}", "[" * 100_000, '{"a":' * 100_000, "\x00", "nan", '{"round": 1}']
)
@pytest.mark.parametrize("name", ["rounds.jsonl", "target.json", "summary.json", "environment.jsonl", "start.json"])
def test_something_else_in_place_of_a_file(run: Path, capsys: pytest.CaptureFixture[str], name: str, line: str) -> None:
    rewrite(run, name, f"{line}\n")
    for command in (["show"], ["report"], ["compare"]):
        code, _, err = called(capsys, *command, run)
        assert code in {0, 2}
        assert code == 0 or name in err or "summary.json" in err
    if name not in {"environment.jsonl", "start.json"}:
        assert damaged(run) is not None


@pytest.mark.parametrize("text", ["", "null", "[]", "x", "[" * 30_000, "clients: -1", "attack: [1]", "name: [x]"])
def test_an_experiment_that_is_none(run: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    rewrite(run, "experiment.yaml", text)
    for command in (["show"], ["report"], ["compare"], ["plot"]):
        code, _, err = called(capsys, *command, run)
        assert code == 2
        assert "experiment.yaml" in err


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", b"{}"])
@pytest.mark.parametrize("name", ["final.safetensors", "checks/00002.safetensors", "checkpoint.safetensors"])
def test_tensors_that_are_none(run: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    for command in (["show"], ["report"], ["plot", "--kind", "evolution"]):
        code, _, err = called(capsys, *command, run)
        assert code == 0 or name in err


def test_histograms_of_another_shape(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from safetensors.torch import save_file

    for table in (torch.zeros(2, 500), torch.zeros(5, 3, dtype=torch.int32), torch.tensor(1)):
        save_file({"statistics.histogram": table}, run / "checks/00002.safetensors")
        code, _, err = called(capsys, "plot", run, "--kind", "evolution")
        assert code == 2
        assert "00002.safetensors: damaged" in err


def test_records_that_contradict_each_other(run: Path) -> None:
    lines = (run / "rounds.jsonl").read_text().splitlines()
    first, second = json.loads(lines[0]), json.loads(lines[1])
    client, attacker = first["clients"][0], second["clients"][-1]
    negative = replaced(client["checks"], ("statistics", "details", "norm"), -0.5)
    entries = replaced(client["checks"], ("statistics", "details", "sparsity"), 1.5)
    for change, words in [
        ({"round": 2}, "line 1: damaged (round 2 where round 1 is expected)"),
        ({"clients": [client, client]}, "clients: one of them twice"),
        ({"clients": [client | {"checks": {}}]}, "checks: none, not those of the experiment"),
        ({"clients": [client | {"malformed": True}]}, "checks: distances, statistics, accuracy, not those"),
        ({"clients": [attacker | {"model": None}]}, "client 4: attack and model contradict each other"),
        ({"clients": [attacker | {"client": 3}]}, "client 3: attack: the malicious client is 4"),
        ({"control": None}, "control: missing"),
        ({"quality": {**first["quality"], "per_class": []}}, "quality.per_class: 0 of 10 classes"),
        ({"target": {**first["target"], "confidence": [0.5]}}, "target: not an entry for each of 2 samples"),
        ({"target": {**first["target"], "predicted": [0, 10]}}, "a class above the 10 that have names"),
        ({"target": None}, "target: missing"),
        ({"version": 99}, "version: 99, which only a later fedlens reads"),
        ({"version": "2"}, "version: a whole number from 0 is needed, not '2'"),
        ({"version": True}, "version: a whole number from 0 is needed, not True"),
        ({"version": -1}, "version: a whole number from 0 is needed, not -1"),
        ({"clients": [client | {"client": 10**9}]}, "clients: 1000000000, but the experiment has clients 0 to 4"),
        (
            {"clients": [client | {"checks": negative}]},
            "client 0: checks.statistics.norm: -0.5, which cannot be negative",
        ),
        ({"clients": [client | {"checks": entries}]}, "client 0: checks.statistics.sparsity: 1.5, which is no share"),
        (
            {"quality": {**first["quality"], "accuracy": 7}},
            "quality.accuracy: input should be less than or equal to 1, not 7",
        ),
        ({"quality": {**first["quality"], "loss": -2}}, "quality.loss: -2, which cannot be negative"),
        (
            {"target": {**first["target"], "confidence": [0.5, -0.1]}},
            "target.confidence.1: input should be greater than",
        ),
    ]:
        rewrite(run, "rounds.jsonl", "\n".join([json.dumps(first | change), *lines[1:], ""]))
        message = damaged(run)
        assert message is not None
        assert message.startswith(f"{run / 'rounds.jsonl'}, line 1: damaged (")
        assert words in message


def test_a_summary_with_an_impossible_rate(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    for place in (("accuracy",), ("target", "confidence", "best"), ("checks", "distances", "recall")):
        rewrite(run, "summary.json", json.dumps(replaced(summary, place, 7)))
        words = f"summary.json: damaged ({'.'.join(place)}: input should be less than or equal to 1, not 7); "
        assert words in (damaged(run) or "")


def test_a_damaged_run_is_a_row_of_the_list(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    from fedlens.watch.run_list import list_runs

    for place, (name, text) in enumerate(
        [
            ("rounds.jsonl", "null\n"),
            ("rounds.jsonl", "7\n"),
            ("rounds.jsonl", '{"round": 1}\n'),
            ("rounds.jsonl", "[" * 100_000 + "\n"),
            ("experiment.yaml", "[" * 30_000),
            ("experiment.yaml", "clients: x"),
            ("start.json", "null"),
        ]
    ):
        copied = shutil.copytree(run, tmp_path / f"damaged{place}")
        (copied / name).write_text(text)
    rows = {row.name: row.trouble for row in list_runs(tmp_path)}
    assert rows.pop("run") == ""
    assert len(rows) == 7
    assert all(trouble.startswith("cannot be read: ") for trouble in rows.values())


def pipe(file: Path) -> None:
    os.mkfifo(file)


def endless(file: Path) -> None:
    file.symlink_to("/dev/zero")


def folder(file: Path) -> None:
    file.mkdir()


def huge(file: Path) -> None:
    file.touch()
    os.truncate(file, 2**36)  # which takes no room on the disk


FILES = ["experiment.yaml", "start.json", "target.json", "rounds.jsonl", "environment.jsonl", "summary.json"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", [pipe, endless, folder, huge])
def test_what_has_no_end_is_not_read(
    run: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    for name in [*FILES, "final.safetensors", "checks/00001.safetensors", "unjudged.json"]:
        file, aside = run / name, run / "aside"
        if file.exists():
            file.rename(aside)
        make(file)
        for code, err in look(capsys, run, READERS) if make is pipe else []:
            assert code == 0 or name in err or "no run" in err or "neither a run" in err
        if name in {"start.json", "rounds.jsonl", "summary.json", "target.json"}:
            assert named_in(damaged(run), file)
        file.rmdir() if make is folder else file.unlink()
        if aside.exists():
            aside.rename(file)


def named_in(message: str | None, file: Path) -> bool:
    """Whether the message names the file, what is the matter with it, and what to do."""
    if message is None or not message.startswith(f"{file}: "):
        return False
    return ("is no regular file" in message or "are the most" in message) and "make it anew: fedlens run" in message


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["checkpoint.safetensors", "best.safetensors", "final.safetensors"])
@pytest.mark.parametrize("make", [pipe, endless, folder])
def test_weights_that_have_no_end_are_not_read(run: Path, name: str, make: Callable[[Path], None]) -> None:
    from fedlens.runs.weights import weights_of

    (run / name).unlink()
    make(run / name)
    for which in ("final", "best", "last", 3):
        with suppress(DamagedRunError):
            weights_of(run, which)
    with pytest.raises(DamagedRunError, match=rf"{name}: is no regular file; get the run anew"):
        weights_of(run, {"checkpoint": "last", "best": "best", "final": "final"}[name.partition(".")[0]])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [*FILES, "timings.jsonl", "digests.json", "checkpoint.safetensors", "error.txt"])
def test_a_run_with_a_pipe_in_it_is_not_resumed(run: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (run / name).unlink(missing_ok=True)
    pipe(run / name)
    code, _, err = called(capsys, "run", "--resume", "--out", run, "--engine", "serial")
    assert code == 0 if name in {"summary.json", "error.txt"} else (code == 2 and name in err)


@pytest.mark.timeout(120)
def test_a_run_with_a_pipe_in_it_is_a_row_of_the_list(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    from fedlens.watch.run_list import list_runs

    for name in ("rounds.jsonl", "experiment.yaml", "start.json", "unjudged.json"):
        copied = shutil.copytree(run, tmp_path / name.partition(".")[0])
        (copied / name).unlink(missing_ok=True)
        pipe(copied / name)
    rows = {row.name: row.trouble for row in list_runs(tmp_path)}
    assert rows.pop("run") == ""
    assert "is no regular file" in rows["rounds"]
    assert len(rows) == (4 if "experiment" in rows else 3)
    assert all(trouble.startswith("cannot be read: ") for trouble in rows.values())


# Sweeps' tables, and archives


def odd_columns() -> Iterator[tuple[str, Any]]:
    rows = 12
    yield "confidence", pa.array([[0.5]] * rows)
    yield "confidence", pa.array([{"a": 1}] * rows)
    yield "confidence", pa.array([b"x"] * rows)
    yield "confidence", pa.array([pd.Timestamp("2026-01-01")] * rows)
    yield "accuracy", pa.array([[["x"]]] * rows)
    yield "seed", pa.array(["0"] * rows)
    yield "seed", pa.array([0.5] * rows)
    yield "seed", pa.array([None] * rows, pa.int64())
    yield "round", pa.array([[1]] * rows)
    yield "round", pa.array([True] * rows)
    yield "target.draw", pa.array([b"0"] * rows)
    yield "clients", pa.array([{"a": 1}] * rows)
    yield "clients", pa.array(["x"] * rows).dictionary_encode()
    yield "cell", pa.array([{"a": 1}] * rows)
    yield "cell", pa.array([None] * rows, pa.string())


@pytest.mark.parametrize(("name", "column"), list(odd_columns()), ids=lambda value: str(getattr(value, "type", value)))
def test_a_table_of_odd_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, column: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    file = sweep(tmp_path / "made", {"clients": [3]}) / "rounds.parquet"
    table = pq.read_table(file)
    table = table.drop_columns([name]) if name in table.column_names else table
    pq.write_table(table.append_column(name, column).replace_schema_metadata(None), file)
    for arguments in (["compare", "made"], ["compare", "made", "--by", "clients"], ["report", "made"]):
        code, _, err = called(capsys, *arguments)
        assert code == 0 or (code == 2 and "rounds.parquet" in err), err


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1", b"x" * 1000])
def test_a_table_that_is_none(tmp_path: Path, content: bytes) -> None:
    (sweep(tmp_path / "made", {"clients": [3]}) / "rounds.parquet").write_bytes(content)
    with pytest.raises(DamagedRunError, match=r"rounds\.parquet: cannot be read"):
        collect([tmp_path / "made"])


def archive(folder: Path, content: bytes) -> None:
    (folder / "records").mkdir(parents=True)
    (folder / "records/quick-seed-0-target-0.tar.xz").write_bytes(content)


def packed(*names: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd"
            tar.addfile(member)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        packed("."),
        packed(""),
        packed("/"),
        packed(".."),
        packed("../summary.json"),
        packed("abc"),
        packed("abc/../summary.json"),
        packed("abc/checks/../../x"),
        packed("abc/checks/.hidden"),
        packed("abc/weights/1"),
        packed("abc\n/summary.json"),
        packed("é/summary.json"),
        packed("abc/summary.json", kind=tarfile.SYMTYPE),
        packed("abc/summary.json", kind=tarfile.DIRTYPE),
        packed("abc/summary.json")[:-20],
        b"",
        b"x" * 100,
        lzma.compress(b"x" * 100),
    ],
    ids=range(18),
)
def test_an_archive_of_something_else(tmp_path: Path, content: bytes) -> None:
    archive(tmp_path, content)
    with pytest.raises(DamagedRunError, match=r"quick-seed-0-target-0\.tar\.xz"):
        restore(tmp_path)
    assert not (tmp_path / "cells").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"records"}


def test_an_archive_that_never_ends(tmp_path: Path) -> None:
    compressor = lzma.LZMACompressor()
    zeros = bytes(2**20)
    bomb = b"".join(compressor.compress(zeros) for _ in range(300)) + compressor.flush()
    archive(tmp_path, bomb)
    with pytest.raises(DamagedRunError, match="it has more than 268 MB"):
        restore(tmp_path)
