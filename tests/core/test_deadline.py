"""How long custom code may take."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from small import small
from torch import Tensor

import fedlens
from fedlens.attacks.attack import Attack, View
from fedlens.core.deadline import within
from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.random import Address
from fedlens.data.partition import Partition, Shards
from fedlens.defences.detector import Detector, Inspection, Verdict
from fedlens.defences.rule import Aggregate, Received, Rule

FOREVER = 600.0
LONG_ENOUGH = 5.0  # for honest clients of a small experiment on a machine that is busy


def spin() -> None:
    """Never end, and catch whatever can be caught."""
    until = time.monotonic() + FOREVER
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


class Slow(Attack):
    def craft(self, view: View) -> Tensor:
        spin()
        return view.train()


class SlowRule(Rule):
    averages = True

    def aggregate(self, received: Received) -> Aggregate:
        spin()
        return Aggregate(received.updates.mean(0))


class SlowCheck(Detector):
    def inspect(self, seen: Inspection) -> Verdict:
        spin()
        raise AssertionError


class SlowPartition(Partition):
    def split(self, labels: Tensor, clients: int, address: Address) -> Shards:
        spin()
        raise AssertionError


@pytest.mark.parametrize(
    ("engine", "slow", "words"),
    [
        ("serial", {"attack": Slow()}, "malicious client 3 in round 1"),
        ("processes", {"attack": Slow()}, "malicious client 3 in round 1"),
        ("processes", {"checks": (SlowCheck(),)}, "in round 1"),
        ("processes", {"aggregation": SlowRule()}, "rule SlowRule, in round 1,"),
        ("serial", {"partition": SlowPartition()}, "dealing out the data"),
    ],
)
def test_what_takes_too_long_fails_and_says_who_it_was(
    engine: Any, slow: dict[str, Any], words: str, tmp_path: Path
) -> None:
    handler = signal.getsignal(signal.SIGALRM)
    experiment = small(**slow, control=False, rounds=1)
    with pytest.raises(ClientError) as caught:
        fedlens.run(experiment, tmp_path / "run", engine=engine, client_timeout=LONG_ENOUGH)
    assert words in str(caught.value)
    assert f"took longer than {LONG_ENOUGH:g} s" in str(caught.value)
    assert signal.getsignal(signal.SIGALRM) is handler


def test_a_limit_that_is_kept_changes_nothing(tmp_path: Path) -> None:
    free = fedlens.run(small(), tmp_path / "free", engine="serial")
    limited = fedlens.run(small(), tmp_path / "limited", engine="serial", client_timeout=FOREVER)
    assert free.records == limited.records


def test_whoever_else_uses_the_timer_gets_it_back() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    try:
        timer = signal.setitimer(signal.ITIMER_REAL, FOREVER)
        with within(FOREVER / 2, "it"), within(FOREVER / 3, "this"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= FOREVER / 3
        assert FOREVER / 2 < signal.getitimer(signal.ITIMER_REAL)[0] <= FOREVER
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)
    assert heard == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan"), 1e9])
def test_an_impossible_limit_is_refused(seconds: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--client-timeout .* must be a positive number of seconds"):
        fedlens.run(small(), tmp_path / "run", client_timeout=seconds)
    assert not (tmp_path / "run").exists()


def test_another_thread_is_told_that_it_cannot_have_one(tmp_path: Path) -> None:
    said: list[str] = []

    def play() -> None:
        try:
            fedlens.run(small(), tmp_path / "run", client_timeout=1)
        except ConfigError as error:
            said.append(str(error))

    thread = threading.Thread(target=play)
    thread.start()
    thread.join()
    assert said == ["--client-timeout works in the main thread of a process on Linux or macOS only; leave it out"]


def test_a_sweep_goes_on_with_its_other_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import time\nfrom fedlens import Attack\n\n\nclass Slow(Attack):\n    def craft(self, view):\n"
        f"        time.sleep({FOREVER})\n"
    )
    Path("grid.yaml").write_text(
        "experiment: {data: digits, clients: 4, rounds: 1, control: false, target: {select: random}}\n"
        "product: {attack: [none, 'mine:Slow']}\n"
    )
    command = [sys.executable, "-c", "from fedlens.cli import main; main()", "sweep", "grid.yaml"]
    done = subprocess.run([*command, "--client-timeout", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = " ".join((done.stdout + done.stderr).split())
    assert "took longer than 2 s" in said
    assert "1 of 2 cells failed" in said
