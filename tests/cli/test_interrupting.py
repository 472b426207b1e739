import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlens.cli import interrupting

SWALLOWS = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("swallowed")
"""


def fedlens(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("fedlens")
    environment = os.environ | variables
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_ctrl_c_in_an_import_that_would_swallow_it_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(SWALLOWS)
    done = fedlens("run", "quickstart", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def handlers() -> Iterator[None]:
    """Those of Python itself, which are put back afterwards."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before:
        signal.signal(number, handler)


def test_ctrl_c_outside_of_imports_raises_as_always(handlers: None) -> None:
    interrupting.leave_imports()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_what_is_kept_is_said(handlers: None, capsys: pytest.CaptureFixture[str]) -> None:
    interrupting.leave_imports()
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(SystemExit, match="130"), interrupting.interruptible(lambda: "two rounds are kept"):
            signal.raise_signal(number)
        assert capsys.readouterr().err == "Interrupted; two rounds are kept\n"


def test_an_ignored_ctrl_c_stays_ignored(handlers: None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupting.leave_imports()
    signal.raise_signal(signal.SIGINT)
    with interrupting.interruptible(lambda: "nothing"):
        signal.raise_signal(signal.SIGINT)
