"""A malicious node in a deployed federation, where there is only loopback; the app and the server are not touched."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import deploying
import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict

from fedlens.bridges.flower import Malicious, compat

CLIENT = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    step = (1, 3)[context.node_config["partition-id"]]
    weights = message.content["arrays"]["weight"].numpy() + np.float32(step)
    content = {"arrays": ArrayRecord({"weight": Array(weights)}), "metrics": MetricRecord({"num-examples": 10})}
    return Message(RecordDict(content), reply_to=message)
"""
SERVER = """
import json
import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid, context):
    def note(round_, arrays):
        with open(context.run_config["out"], "a") as file:
            file.write(json.dumps(arrays["weight"].numpy().tolist()) + "\\n")

    start = ArrayRecord({"weight": Array(np.zeros((2, 2), np.float32))})
    FedAvg(fraction_evaluate=0.0).start(grid, start, num_rounds=2, evaluate_fn=note)
"""
TASK = """
import torch


def net():
    return torch.nn.Linear(2, 2, bias=False)
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tiny"
version = "1.0.0"
description = "A step at a time"
license = {file = "LICENSE"}
dependencies = ["flwr>=1.41"]

[tool.flwr.app]
publisher = "tests"
fab-format-version = 1
flwr-version-target = "VERSION"

[tool.flwr.app.components]
serverapp = "tiny.server_app:app"
clientapp = "tiny.client_app:app"

[tool.flwr.app.config]
out = ""
"""
MINE = """
import torch
from fedlens.attacks import SignFlipping
from fedlens.bridges.flower import Malicious
from tiny.task import net

attack = SignFlipping(c=2, estimate="post")
samples = torch.zeros(1, 2), torch.tensor([0])
evil = Malicious(
    attack, model=net, data=lambda context: samples, when=lambda context: context.node_config["partition-id"] == 1
)
"""
AFTER = {"honest": [0, 2, 4], "evil": [0, -2.5, -5.25]}
"""Every weight, before and after both rounds.

The honest node moves it by 1 and the other by 3 if it is honest, else by -2 * 3 = -6: the mean is (1 - 6) / 2 = -2.5.
In round 2 the attacker knows that the other has added -2.5 - (-6) / 2 = 0.5, and takes that from what it sends:
-2.5 + (1 - 6 - 0.5) / 2 = -5.25. Without what it keeps in its node's state, which a new process reads, it would be -5.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the app, and what a user writes to attack it."""
    found = tmp_path_factory.mktemp("deployed")
    package = found / "app" / "tiny"
    package.mkdir(parents=True)
    for name, text in {"task": TASK, "client_app": CLIENT, "server_app": SERVER, "__init__": ""}.items():
        (package / f"{name}.py").write_text(text)
    (found / "app" / "pyproject.toml").write_text(PROJECT.replace("VERSION", compat.FLOWER))
    (found / "app" / "LICENSE").write_text("None.\n")
    (found / "mine.py").write_text(MINE)
    return found


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_by_hand_in_this_process() -> None:
    compat.identify()
    attack = {"name": "sign-flipping", "c": 2, "estimate": "post"}
    samples = torch.zeros(1, 2), torch.tensor([0])
    model = torch.nn.Linear(2, 2, bias=False)
    malicious = Malicious(attack, model=model, data=lambda _: samples, when=lambda _: True)
    context = Context(1, 7, {"num-partitions": 2}, RecordDict(), {})
    weights, models = np.zeros((2, 2), np.float32), [0.0]

    def honest(message: Message, context: Context) -> Message:
        assert context.node_id == 7
        arrays = ArrayRecord({"weight": Array(message.content["arrays"]["weight"].numpy() + np.float32(3))})
        return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord({"num-examples": 10})}), reply_to=message)

    for _ in range(2):
        sent = Message(RecordDict({"arrays": ArrayRecord({"weight": Array(weights)})}), 7, "train")
        answer = malicious(sent, context, honest).content["arrays"]["weight"].numpy()
        weights = (weights + 1 + answer) / np.float32(2)
        models.append(float(weights[0, 0]))
    assert models == AFTER["evil"]


@pytest.mark.acceptance
def test_one_node_of_two_attacks_and_all_of_it_ends(folder: Path) -> None:
    before = digests(folder / "app")
    if subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("this machine gives nobody a network of their own")
    subprocess.run(["unshare", "-rn", sys.executable, deploying.__file__, str(folder)], check=True, timeout=900)
    told: dict[str, dict[str, Any]] = json.loads((folder / "told.json").read_text())
    for name, weights in AFTER.items():
        found = told[name]
        assert found["codes"] == [0, 0, 0, 0], found["texts"]
        assert found["left"] == []
        assert [np.unique(model).tolist() for model in found["models"]] == [[weight] for weight in weights]
    bundles = {
        name: {
            bundle for text in found["texts"] for bundle in re.findall(r"tests\.tiny\.1\.0\.0\.([0-9a-f]{8})\b", text)
        }
        for name, found in told.items()
    }
    assert len(bundles["honest"]) == 1  # by its hash, of what the server and every node have installed
    assert bundles["honest"] == bundles["evil"]
    assert digests(folder / "app") == before
    lines = [json.loads(line) for line in (folder / "flower-node" / "rounds.jsonl").read_text().splitlines()]
    assert [(line["round"], line["attack"], line["honest"]) for line in lines] == [
        (1, "sign-flipping", None),
        (2, "sign-flipping", None),
    ]
    printed = told["evil"]["texts"][2]
    assert [f"Round {round_} of run {lines[0]['run']}: malicious node" in printed for round_ in (1, 2)] == [True, True]
    assert "Stopped; attacked in 2 rounds" in printed
