"""A malicious node's folder and its processes, with programs in the place of Flower's."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from typer.testing import CliRunner

from fedlens.bridges.flower import compat, deployed, node
from fedlens.bridges.flower.deployed import answered
from fedlens.bridges.flower.node import Node, read_node
from fedlens.bridges.flower.supervising import supervise
from fedlens.cli.flower import flower
from fedlens.core.errors import ClientError, ConfigError, RunError

MINE = """
import torch
from fedlens.bridges.flower import Malicious

x = torch.eye(4)[:1]
targets = x, torch.tensor([0]), torch.tensor([2])
options = {"model": lambda: torch.nn.Linear(4, 3), "targets": targets, "alpha": 0.5}
evil = Malicious("explicit-boosting", when=lambda context: context.node_config["partition-id"] == 1, **options)
late = Malicious({"name": "explicit-boosting", "delay": 3}, when=lambda context: True, **options)
wrong = Malicious("explicit-boosting", when=lambda context: True, **{**options, "model": torch.nn.Linear(9, 3)})
other = 5
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which `mine` lies."""
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("mine", None)


def a_node(here: Path, attack: str = "mine:evil", authorised: str | None = None) -> Node:
    made = Node(attack, "127.0.0.1:8000", authorised, str(here), str(here / "a node's"))
    made.prepare()
    return made


@pytest.fixture
def attended(here: Path) -> Iterator[None]:
    """Somebody is told what the node does."""
    with a_node(here).attended():
        yield


def log_of(made: Node) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.log.read_text().splitlines()] if made.log.exists() else []


def honest(message: Message, context: Context) -> Message:
    assert context.node_id == 7
    content = {"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 10})}
    return Message(RecordDict(content), reply_to=message)


def asked(kind: str = "train") -> Message:
    compat.identify()
    layer = torch.nn.Linear(4, 3)
    arrays = ArrayRecord({name: Array(tensor.detach().numpy()) for name, tensor in layer.named_parameters()})
    return Message(RecordDict({"arrays": arrays}), 7, kind)


def context_of(part: int) -> Context:
    return Context(2**63 + 1, 7, {"partition-id": part, "num-partitions": 2}, RecordDict(), {})


def same(answer: Message, message: Message) -> bool:
    sent, back = (one.content["arrays"].to_numpy_ndarrays() for one in (message, answer))
    return all((a == b).all() for a, b in zip(sent, back, strict=True))


@pytest.mark.usefixtures("attended")
def test_every_malicious_round_is_logged_and_no_other(here: Path) -> None:
    made = a_node(here, authorised="Jo Doe, ticket 12")
    message = asked()
    for part in (0, 1):
        answer = answered(made, honest, message, context_of(part))
        assert same(answer, message) == (part == 0)
    answered(made, honest, asked("evaluate"), context_of(1))
    (line,) = log_of(made)
    assert line.pop("time").endswith("+00:00")
    assert line.pop("log")["boost"] == 2  # 1/alpha
    assert line == {
        "superlink": "127.0.0.1:8000",
        "authorised": "Jo Doe, ticket 12",
        "run": "9223372036854775809",
        "node": "7",
        "attack": "explicit-boosting",
        "round": 1,
        "honest": None,
        "claimed": None,
    }


@pytest.mark.usefixtures("attended")
def test_a_round_that_an_attack_waits_for_is_logged_as_honest(here: Path) -> None:
    made = a_node(here, "mine:late")
    context = context_of(1)
    for _ in range(3):
        answered(made, honest, asked(), context)
    assert [(line["round"], line["honest"]) for line in log_of(made)] == [(1, "delay"), (2, "delay"), (3, None)]


@pytest.mark.usefixtures("attended")
def test_what_cannot_be_logged_is_not_sent(here: Path) -> None:
    made = a_node(here)
    made.log.mkdir()
    with pytest.raises(RunError):
        answered(made, honest, asked(), context_of(1))


def test_a_node_that_nobody_watches_is_honest(here: Path) -> None:
    made, message = a_node(here), asked()
    assert same(answered(made, honest, message, context_of(1)), message)
    assert not made.log.exists()
    with made.attended():
        assert not same(answered(made, honest, message, context_of(1)), message)


def test_the_address_is_looked_at_again_before_each_message(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_node(here)
    facts = Path(made.folder, "node.json")
    facts.write_text(facts.read_text().replace("127.0.0.1", "192.0.2.7"))
    monkeypatch.setattr(deployed, "program", lambda _: pytest.fail("it would have answered"))
    with pytest.raises(ConfigError, match=r"192\.0\.2\.7 is beyond loopback"):
        deployed.main([made.folder])


@pytest.mark.usefixtures("attended")
def test_a_failure_is_logged_and_raised(here: Path) -> None:
    made = a_node(here, "mine:wrong")
    with pytest.raises(ConfigError) as caught:
        answered(made, honest, asked(), context_of(1))
    (line,) = log_of(made)
    assert str(caught.value).splitlines()[0] in line["error"]


def test_the_first_message_of_a_process_is_answered_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientApp, "__call__", ClientApp.__call__)  # which puts it back
    app, message = ClientApp(), asked()
    app.train()(honest)
    seen = []

    def first(app: Callable[..., Message], message: Message, context: Context) -> Message:
        seen.append(message)
        return app(message, context)  # and this is answered by the app

    compat.answer_first_by(first)
    for _ in range(2):
        assert same(app(message=message, context=context_of(0)), message)
    assert seen == [message]


def test_flower_s_own_program_is_called_with_what_the_supernode_says(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = a_node(here)
    monkeypatch.setattr(sys, "argv", ["before"])
    calls: list[Any] = []
    monkeypatch.setattr(deployed, "answer_first_by", lambda answer: calls.append(answer.args))
    monkeypatch.setattr(deployed, "program", lambda name: lambda: calls.append([name, *sys.argv]))
    deployed.main([made.folder, "--token", "x y"])
    assert calls == [(made,), ["flwr-clientapp", "flwr-clientapp", "--token", "x y"]]
    assert compat.program("flwr-clientapp").__name__ == "flwr_clientapp"


def test_the_script_is_found_first_and_passes_everything_on(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = here / "a python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    made = a_node(here)
    assert read_node(made.folder) == made
    done = subprocess.run(
        ["/bin/sh", "-c", 'flwr-clientapp --token "x y"'],
        env=made.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = ["-P", "-m", "fedlens.bridges.flower.deployed", made.folder, "--token", "x y"]
    assert done.stdout.splitlines() == said


@pytest.mark.parametrize("words", ["--superlink 192.0.2.7:1", "--superl=192.0.2.7:1", "--superlink=127.0.0.1:1"])
def test_another_superlink_is_refused(here: Path, words: str) -> None:
    with pytest.raises(ConfigError, match="the SuperLink is named before --; e"):
        a_node(here).command(shlex.split(words))


@pytest.mark.parametrize("words", ["--isolation process", "--iso=process", "--isolation"])
def test_an_app_that_others_start_would_not_attack(here: Path, words: str) -> None:
    with pytest.raises(ConfigError, match="starts its app itself"):
        a_node(here).command(shlex.split(words))


def test_options_are_passed_on(here: Path, programs: Path) -> None:
    words = ["--insecure", "--isolation", "subprocess", "--superexec-auth-secret-file", "s", "--port", "9095"]
    found = a_node(here).command(words)
    assert found == [str(programs / "flower-supernode"), *words, "--superlink", "127.0.0.1:8000"]


def test_a_missing_program_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "search_path", lambda: str(here))
    with pytest.raises(ConfigError, match="there is no program flower-supernode here; pip install"):
        a_node(here).command([])


SUPERNODE = """\
trap 'echo INT >> {here}/ended; exit 0' INT
{others}
echo '{lines}' >> {log}
echo "$@" > {here}/ready
{then}
"""
LINE = '{"round": 1, "run": "5", "node": "7", "attack": "explicit-boosting", "honest": null}'
LOOP = "while :; do sleep 0.05; done"


@pytest.fixture
def programs(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with programs that are found in place of Flower's."""
    folder = here / "programs"
    folder.mkdir()
    monkeypatch.setattr(node, "search_path", lambda: f"{folder}{os.pathsep}{os.defpath}")
    put(folder, here, LOOP)
    return folder


def put(folder: Path, here: Path, then: str, others: str = "", lines: str = LINE) -> None:
    """Write what stands for ``flower-supernode``."""
    log = here / "flower-node" / "rounds.jsonl"
    script = folder / "flower-supernode"
    script.write_text("#!/bin/sh\n" + SUPERNODE.format(here=here, log=log, then=then, others=others, lines=lines))
    script.chmod(0o700)


def send_when_ready(here: Path, number: int) -> None:
    """Send this process a signal when the program is ready."""

    def send() -> None:
        while not (here / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send, daemon=True).start()


def called(*words: str) -> Any:
    address = ["--superlink", "127.0.0.1:8000", "--attack", "mine:evil"]
    return CliRunner().invoke(flower, ["node", *address, *words], catch_exceptions=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_node_cleanly(here: Path, programs: Path, number: int) -> None:
    before = signal.getsignal(number)
    send_when_ready(here, number)
    done = called("--authorised", "Jo Doe", "--", "--insecure", "--node-config", "a=1")
    assert done.exit_code == 0
    assert (here / "ended").read_text() == "INT\n"
    assert signal.getsignal(number) is before
    assert (here / "ready").read_text() == "--insecure --node-config a=1 --superlink 127.0.0.1:8000\n"
    told = done.output
    assert (
        "Malicious node: attacks 127.0.0.1:8000 by explicit-boosting (mine:evil), authorised by Jo Doe\n"
        "Round 1 of run 5: malicious node 7 attacks by explicit-boosting\n"
        "Stopped; attacked in 1 round: "
    ) in told
    assert str(here / "flower-node" / "rounds.jsonl") in told


def test_a_node_that_fails_is_said_to(here: Path, programs: Path) -> None:
    put(programs, here, "exit 3")
    with pytest.raises(ClientError, match="flower-supernode ended with exit code 3"):
        called()


def test_what_is_not_an_attack_is_told_too(here: Path, programs: Path) -> None:
    waits = LINE.replace("null", '"delay"')
    put(programs, here, "exit 0", lines=f'{waits}\n{{"attack": "mine:evil", "error": "no model"}}')
    done = called()
    assert done.exit_code == 0
    assert "Round 1 of run 5: malicious node 7 is honest (delay)\nThe attack failed: no model\n" in done.output
    assert "Stopped; attacked in 0 rounds: " in done.output
    assert "never asked to train" in done.output


def test_a_second_node_in_the_same_folder_is_refused(here: Path, programs: Path) -> None:
    from fedlens.core.files import lock

    with lock(here / "flower-node", "node's log"), pytest.raises(RunError, match="another process is writing"):
        called()


def test_what_does_not_attack_is_refused(here: Path, programs: Path) -> None:
    with pytest.raises(ConfigError, match=r"--attack 'mine:other': is 5; a Malicious is right"):
        called("--attack", "mine:other")
    with pytest.raises(ConfigError, match=r"192\.0\.2\.7 is beyond loopback"):
        called("--superlink", "192.0.2.7:8000")
    assert not (here / "flower-node").exists()
    assert not (here / "ready").exists()


def test_what_a_supernode_leaves_behind_is_ended(here: Path, programs: Path) -> None:
    stubborn = f"(trap '' INT TERM; {LOOP}) & echo $! > {here}/other"
    put(programs, here, LOOP, stubborn)
    (here / "flower-node").mkdir()
    send_when_ready(here, signal.SIGINT)
    made = Node("mine:evil", "127.0.0.1:8000", None, str(here), str(here / "flower-node"))
    assert supervise(made.command([]), dict(os.environ), made.log, lambda _: None, patience=0.3) is None
    other = int((here / "other").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and is_alive(other):
        time.sleep(0.01)
    assert not is_alive(other)


def is_alive(number: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
