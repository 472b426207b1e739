"""Secrets in addresses, halves of characters, and what a rule keeps."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.calling import called
from helpers.records import attack_of
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.documents import dumps
from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.redaction import redacted
from fedlens.defences.rule import Aggregate, Received, Rule
from fedlens.runs.environment import describe_environment
from fedlens.runs.loading import load_experiment

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mlflow:https://user:hunter2@host:5000/x", "mlflow:https://***@host:5000/x"),
        ("https://hunter2@host", "https://***@host"),
        ("https://user:hun/ter2@ho@host/x", "https://***@host/x"),
        ("https://host/x?token=hunter2&a=b", "https://host/x?***"),
        ("https://host/#hunter2", "https://host/#***"),
        ("postgresql+psycopg2://me:hunter2@db/mlflow", "postgresql+psycopg2://***@db/mlflow"),
        ("failed (https://a:hunter2@b: no answer)", "failed (https://***@b: no answer)"),
        ("me:hunter2@host:6379", "***@host:6379"),
        ("--address=me:hunter2@host", "--address=***@host"),
        ("https://host/x", "https://host/x"),
        ("mine.py:21, as me@host said: x@y", "mine.py:21, as me@host said: x@y"),
        ("runs/quickstart", "runs/quickstart"),
        ("target.index=[1]", "target.index=[1]"),
    ],
)
def test_addresses_without_their_secrets(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_secrets_reach_no_file_and_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fedlens", "run", "x", "--track", f"mlflow:https://user:{SECRET}@127.0.0.1:1/"])
    assert SECRET not in json.dumps(describe_environment("").plain())
    fedlens.run(small(rounds=1), tmp_path / "run", engine="serial")
    line = json.loads((tmp_path / "run/environment.jsonl").read_text())
    line["command"][-1] = f"mlflow:https://user:{SECRET}@host"  # as earlier versions wrote it
    (tmp_path / "run/environment.jsonl").write_text(json.dumps(line) + "\n")
    code, printed, err = called(capsys, "report", "run")
    assert code == 0, err
    for text in (printed, err, (tmp_path / "report.html").read_text()):
        assert SECRET not in text
    code, _, err = called(capsys, "run", "quickstart", "--track", f"nowhere:https://user:{SECRET}@host")
    assert code == 2
    assert SECRET not in err


@pytest.mark.parametrize(
    "address", [f"ray://me:{SECRET}@127.0.0.1:1", f"me:{SECRET}@127.0.0.1:1", f"me:{SECRET}@nowhere"]
)
def test_a_clusters_password_is_in_no_message(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    code, _, err = called(capsys, "run", "quickstart", "--engine", "ray", "--address", address)
    assert code == 2
    assert "***@" in err
    assert SECRET not in err


class Logs(Attack):
    """Logs something that is no text."""

    def craft(self, view: View) -> Tensor:
        view.log["word"] = "half \ud800 of one"  # type: ignore[assignment]
        view.log["whole"] = "\U0001f600"  # type: ignore[assignment]
        return view.train()


def test_half_a_character_in_a_log_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fedlens.run(small(attack=Logs(), rounds=1), tmp_path / "run", engine="serial")
    assert attack_of(fedlens.load_run("run").records[0])["word"] == "half ? of one"
    assert attack_of(fedlens.load_run("run").records[0])["whole"] == "\U0001f600"
    for command in (["show"], ["report"], ["compare"], ["plot"]):
        code, _, err = called(capsys, *command, "run")
        assert code == 0, err


def test_halves_of_characters_in_documents() -> None:
    assert json.loads(dumps({"a": "\udcff", "b": "é\U0001f600"})) == {"a": "?", "b": "é\U0001f600"}
    assert json.loads(dumps({"\udcff": float("nan")}, indent=1)) == {"?": "NaN"}
    assert dumps({"a": "é"}) == '{"a": "\\u00e9"}'


@pytest.mark.parametrize("text", ['about: "\\uD800"', 'name: "a\\uDC00"', '{"\\uD800": 1}', 'attack: "\\uD800"'])
def test_halves_of_characters_in_yaml_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match="line 1: found invalid Unicode character escape code: "):
        load_experiment(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("assignment", ["about=\udcff", "attack=\udcff", "\udcff=1"])
def test_and_in_what_a_shell_hands_on(assignment: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = called(capsys, "run", "quickstart", "-o", assignment)
    assert code == 2
    assert "Traceback" not in err


class Keeps(Rule):
    """Keeps something else than tensors."""

    what: str

    def aggregate(self, received: Received) -> Aggregate:
        mean = received.updates.mean(dim=0)
        kept: Any = {
            "number": {"a": 1},
            "list": [torch.zeros(1)],
            "key": {1: torch.zeros(1)},
            "none": None,
            "sparse": {"a": torch.zeros(2).to_sparse()},
            "complex": {"a": torch.zeros(2, dtype=torch.complex64)},
            "meta": {"a": torch.zeros(2, device="meta")},
            "nested": {"a": torch.nested.nested_tensor([torch.zeros(2)])},
            "quantised": {"a": torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.quint8)},
            "half a character": {"\ud800": torch.zeros(1)},
            "graph": {"a": torch.zeros(2, requires_grad=True) + 1},
            "view": {"a": mean[:2]},
        }[self.what]
        return Aggregate(mean, None, kept)


KEPT = ["number", "list", "key", "none", "sparse", "complex", "meta", "nested", "quantised", "half a character"]


@pytest.mark.parametrize("what", KEPT)
@pytest.mark.filterwarnings("ignore:.*(nested|quantiz).*")
def test_a_rule_keeps_tensors_by_their_names(tmp_path: Path, what: str) -> None:
    with pytest.raises(ClientError, match="rule Keeps wants to keep something else than tensors"):
        fedlens.run(small(aggregation=Keeps(what=what), attack=None), tmp_path / "run", engine="serial")


@pytest.mark.parametrize("what", ["graph", "view"])
def test_and_what_it_keeps_is_a_copy(tmp_path: Path, what: str) -> None:
    run = fedlens.run(small(aggregation=Keeps(what=what), attack=None, rounds=2), tmp_path / "run", engine="serial")
    assert len(run.records) == 2
