"""Folders of logged updates: written by any framework, and read without executing anything."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fedlens.bridges.wire import UnreadableError, logged_rounds, read_arrays, write_arrays
from fedlens.core.errors import RunError


def save(path: Path, metadata: dict[str, str] | None = None, **arrays: list[float]) -> None:
    """Write a file as somebody does who knows neither fedlens nor Flower."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        np.savez(path, **{name: np.array(array, np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]
    else:
        save_file({name: torch.tensor(array) for name, array in arrays.items()}, path, metadata=metadata)


def test_a_round_is_not_the_folder_of_rounds(tmp_path: Path) -> None:
    save(tmp_path / "round-00001" / "client-1.npz", w=[1.0])
    with pytest.raises(RunError, match=rf"is one round; name the folder that the rounds are in: {tmp_path}$"):
        logged_rounds(tmp_path / "round-00001")


def test_a_folder_is_listed_in_order(tmp_path: Path) -> None:
    for number in (10, 2):
        for client in ("10", "9"):
            save(tmp_path / f"round-{number:05d}" / f"client-{client}.npz", w=[1.0])
    save(tmp_path / "round-00010" / "global.safetensors", w=[0.0])
    save(tmp_path / "round-00010" / "client-11.safetensors", {"examples": "30", "kind": "update"}, w=[0.5])
    (tmp_path / "round-00010" / "notes.txt").write_text("nothing")
    (tmp_path / "examples.csv").write_text("round,client,examples\n2,9,40\n10, 10 ,5.5\n")
    early, late = logged_rounds(tmp_path)
    assert (early.number, early.sent) == (2, None)
    assert [(one.client, one.kind, one.examples) for one in early.updates] == [
        ("9", "weights", 40),
        ("10", "weights", None),
    ]
    assert late.sent == tmp_path / "round-00010" / "global.safetensors"
    assert [(one.client, one.kind, one.examples) for one in late.updates] == [
        ("9", "weights", None),
        ("10", "weights", 5.5),
        ("11", "update", 30),
    ]


def test_the_header_may_name_the_client(tmp_path: Path) -> None:
    save(tmp_path / "round-1" / "client-x.safetensors", {"client": "ward/7"}, w=[1.0])
    [found] = logged_rounds(tmp_path)
    assert [one.client for one in found.updates] == ["ward/7"]


def test_one_client_twice_is_refused(tmp_path: Path) -> None:
    for suffix in ("npz", "safetensors"):
        save(tmp_path / "round-1" / f"client-7.{suffix}", w=[1.0])
    with pytest.raises(RunError, match=r"client-7.npz is of client 7, too; leave one"):
        logged_rounds(tmp_path)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kind": "gradient"}, "kind is 'gradient'; weights or update"),
        ({"examples": "many"}, "examples is 'many'; a number"),
    ],
)
def test_headers_that_say_nothing_sensible_are_faults_of_that_client(
    tmp_path: Path, facts: dict[str, str], words: str
) -> None:
    save(tmp_path / "round-1" / "client-7.safetensors", facts, w=[1.0])
    save(tmp_path / "round-1" / "client-8.safetensors", w=[1.0])
    [found] = logged_rounds(tmp_path)
    assert words in found.updates[0].fault
    assert not found.updates[1].fault


@pytest.mark.parametrize("line", ["1,7", "one,7,3", "1,7,many", "1,,"])
def test_a_line_of_examples_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    save(tmp_path / "round-1" / "client-7.npz", w=[1.0])
    (tmp_path / "examples.csv").write_text(f"round,client,examples\n{line}\n")
    with pytest.raises(RunError, match=r"examples.csv, line 2: not of the form"):
        logged_rounds(tmp_path)


def test_where_nothing_is_logged_the_form_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a folder round-00001 with"):
        logged_rounds(tmp_path)
    with pytest.raises(RunError, match="name the folder in which updates are logged"):
        logged_rounds(tmp_path / "nowhere")


def test_arrays_are_read_from_both_formats_alike(tmp_path: Path) -> None:
    for name in ("a.npz", "a.safetensors"):
        save(tmp_path / name, **{str(index): [float(index)] for index in range(12)})
        arrays = read_arrays(tmp_path / name)
        assert list(arrays) == [str(index) for index in range(12)]  # and not 0, 1, 10, 11, 2
        assert [float(array[0]) for array in arrays.values()] == list(range(12))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    arrays: dict[str, Any] = {
        "scalar": np.array(9),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "all": shared,
        "part": shared[::2],
        "word": np.array(["x"]),
    }
    write_arrays(tmp_path / "round-00001" / "client-1.safetensors", arrays, {"examples": "3"})
    back = read_arrays(tmp_path / "round-00001" / "client-1.safetensors")
    assert sorted(back) == ["all", "half", "part", "scalar"]
    assert back["scalar"].shape == ()
    assert torch.equal(torch.as_tensor(back["part"]), shared[::2])
    assert (tmp_path / "round-00001").stat().st_mode & 0o077 == 0


def damaged(folder: Path) -> list[tuple[Path, str]]:
    """Files that cannot be read, and what is said of each."""
    save(folder / "good.npz", w=[1.0, 2.0])
    save(folder / "good.safetensors", w=[1.0, 2.0])
    (folder / "short.npz").write_bytes((folder / "good.npz").read_bytes()[:-30])
    (folder / "short.safetensors").write_bytes((folder / "good.safetensors").read_bytes()[:-3])
    (folder / "empty.npz").touch()
    (folder / "empty.safetensors").touch()
    (folder / "text.npz").write_text("no archive")
    np.savez(folder / "objects.npz", w=np.array([{"x": 1}], dtype=object))
    np.save(folder / "one.npy", np.zeros(3))
    (folder / "one.npy").rename(folder / "one.npz")
    (folder / "folder.npz").mkdir()
    return [
        (folder / "short.npz", "cannot be read"),
        (folder / "short.safetensors", "cannot be read"),
        (folder / "empty.npz", "no arrays are in it"),
        (folder / "empty.safetensors", "cannot be read"),
        (folder / "text.npz", "no arrays are in it"),
        (folder / "objects.npz", "it holds Python objects, which are not read"),
        (folder / "one.npz", "no arrays are in it"),
        (folder / "folder.npz", "is no regular file"),
        (folder / "nowhere.npz", "No such file"),
    ]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, words in damaged(tmp_path):
        with pytest.raises(RunError) as raised:
            read_arrays(path)
        assert words in str(raised.value)
        assert str(path) in str(raised.value)
        assert isinstance(raised.value, UnreadableError)


def test_a_damaged_file_is_a_fault_of_that_client(tmp_path: Path) -> None:
    save(tmp_path / "round-1" / "client-7.safetensors", w=[1.0])
    (tmp_path / "round-1" / "client-8.safetensors").write_bytes(b"\xff" * 20)
    [found] = logged_rounds(tmp_path)
    assert [bool(one.fault) for one in found.updates] == [False, True]
