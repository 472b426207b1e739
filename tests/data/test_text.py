"""Text as samples: windows, vocabulary, groups and what is held out, worked out by hand."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch
import yaml

from fedlens.core.errors import DataError
from fedlens.data import text as module
from fedlens.data.passages import passages
from fedlens.data.text import Text


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)


def write(content: str | bytes) -> None:
    Path("a.txt").write_bytes(content.encode() if isinstance(content, str) else content)


def refusal(**options: object) -> str:
    with pytest.raises(DataError) as caught:
        Text(**({"path": "a.txt", "length": 3} | options)).load()
    return str(caught.value)


def pasted(message: str, **options: object) -> Text:
    """The data once the remedy of a message is typed."""
    _, option, *_ = shlex.split(re.search(r"-o .*", message)[0])  # type: ignore[index]
    name, _, value = option.removeprefix("data.").partition("=")
    return Text(**({"path": "a.txt", "length": 3} | options | {name: yaml.safe_load(value)}))


def test_windows_and_what_follows_them() -> None:
    write("abcabcab" + "cbax")
    dataset = Text(path="a.txt", length=3, stride=2, test=1 / 3).load()
    assert dataset.classes == ("a", "b", "c", "unknown character")
    assert dataset.train.x.tolist() == [[0, 1, 2], [2, 0, 1], [1, 2, 0]]
    assert dataset.train.y.tolist() == [0, 2, 1]
    assert dataset.test.x.tolist() == [[2, 1, 0]]
    assert dataset.test.y.tolist() == [3]  # x, which the training text does not have
    assert (dataset.train.x.dtype, dataset.train.y.dtype) == (torch.int64, torch.int64)
    assert dataset.groups is None


def test_sequences_do_not_overlap_by_default() -> None:
    write("abcdefghij" * 2)
    assert Text(path="a.txt", length=3, test=0.5).load().train.x[:, 0].tolist() == [0, 3, 6]


def test_names_of_characters_can_be_printed() -> None:
    write("a \n\té\u0301\u200b3" * 4)
    names = Text(path="a.txt", length=1).load().classes
    marks = ("combining acute accent", "zero width space", "unknown character")
    assert names == ("tab", "newline", "space", "3", "a", "é", *marks)


PLAY = """THE TRAGEDY

HAMLET: To be,
or not to be.

First Citizen:
Speak, speak.
HAMLET: That is: the question.
KING CLAUDIUS:
O!
"""


def test_what_speakers_say_is_theirs() -> None:
    assert passages(PLAY, "speaker") == {
        "HAMLET": "To be,\nor not to be.\nThat is: the question.",
        "First Citizen": "Speak, speak.",
        "KING CLAUDIUS": "O!",
    }


def test_paragraphs_are_between_blank_lines() -> None:
    assert passages("one\ntwo\n\n \nthree\n\n", "paragraph") == {"paragraph 1": "one\ntwo", "paragraph 2": "three"}
    assert passages(PLAY, "none") == {"": PLAY}


def test_each_group_is_split_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    write("ANN: aaaabbbb\nBOB: cccccccd\nCID: x\n")
    dataset = Text(path="a.txt", length=1, group="speaker", test=0.5).load()
    assert dataset.groups is not None
    assert dataset.groups.names == ("ANN", "BOB")
    assert dataset.groups.of.tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.classes == ("a", "c", "unknown character")
    assert dataset.test.y.tolist() == [2, 2, 2, 1, 1, 2]
    said = "a.txt: 1 of 3 speakers have no 2 characters for training, and no training sample"
    assert caplog.messages == [said]


def test_every_kind_of_line_end_is_one_and_a_mark_is_none() -> None:
    write("ab\nab\n" * 9)
    plain = Text(path="a.txt", length=3).load().fingerprint()
    for content in ("ab\r\nab\r\n" * 9, "ab\rab\r" * 9, "\ufeff" + "ab\nab\n" * 9):
        write(content)
        assert Text(path="a.txt", length=3).load().fingerprint() == plain


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("käse".encode("latin-1") * 50, "a.txt: byte 1 (0xe4) is not UTF-8; convert it, as by iconv -f ISO-8859-1 "),
        (("abc" * 50).encode("utf-16"), "a.txt: is in UTF-16, as byte 0 says; convert it, as by iconv -f UTF-16 "),
    ],
)
def test_another_encoding_is_refused_and_can_be_converted(content: bytes, said: str) -> None:
    write(content)
    message = refusal()
    assert message.startswith(said)
    command = re.search(r"iconv .* > utf-8.txt", message)[0]  # type: ignore[index]
    subprocess.run(command, shell=True, check=True)
    assert len(Text(path="utf-8.txt", length=3).load().train) > 20


def test_what_is_no_text_is_refused() -> None:
    write(b"ab\0" * 9)
    assert refusal().startswith("a.txt: byte 2 is zero, so that it is no text")
    message = refusal(path="b.txt")
    assert message.startswith("b.txt: there is no such file")


def test_what_is_too_short_is_refused_with_a_length_that_does() -> None:
    for content, group in (("abcdefghij" * 3, "none"), ("abcdefghij\n\nabcdefghijklmnopqrs\n", "paragraph")):
        write(content)
        message = refusal(length=80, group=group)
        assert "too short to have 81 characters for training" in message
        assert len(pasted(message, group=group).load().test) > 0
        message = refusal(length=9, group=group)
        assert "too short to have 10 characters for testing" in message
        assert len(pasted(message, group=group).load().test) > 0
    write("")
    assert "the text is too short" in refusal()
    write("no speaker at all " * 9)
    assert len(pasted(refusal(group="speaker"), group="speaker").load().train) > 0


def test_what_is_too_large_is_refused_with_a_remedy_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    write("abcdefghij" * 100)
    monkeypatch.setattr(module, "MOST_TOKENS", 1000)
    message = refusal(stride=1)
    assert "a.txt: 797 samples of 3 characters do not fit into 1,000; take fewer: " in message
    assert pasted(message, stride=1).load().train.x.shape == (200, 3)
    monkeypatch.setattr(module, "MOST_BYTES", 500)
    message = refusal()
    assert message.startswith("a.txt: has more than 500 bytes; take a part of it: head -c 500 a.txt > part.txt")
    subprocess.run(message.partition("part of it: ")[2], shell=True, check=True)
    assert len(Text(path="part.txt", length=3).load().train) > 0
