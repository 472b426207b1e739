"""What Ctrl-C means to a command.

Typer ends a command upon a `KeyboardInterrupt` without a word. That is enough where nothing is lost; work that goes on
later says so (`interruptible`). While modules are imported no such exception may be raised: torch's import aborts with
one, other libraries swallow it.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from fedlens.cli.shared import err, say
from fedlens.core.staying import leave

EXIT_CODE = 130
"""128 and the signal's number, as shells say it."""


def leave_imports() -> None:
    """Let Ctrl-C end the process at once while a module is being imported, and as always otherwise."""
    _handle(signal.SIGINT, _interrupt)


@contextmanager
def interruptible(what_is_kept: Callable[[], str]) -> Iterator[None]:
    """Let SIGTERM interrupt the work as Ctrl-C does, and end by saying `what_is_kept` and how to go on."""
    _handle(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say(f"Interrupted; {what_is_kept()}", console=err)
        raise SystemExit(EXIT_CODE) from None


def _handle(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
    """Handle the signal, unless whoever started this process wants it ignored."""
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)


def _interrupt(_: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            leave(EXIT_CODE)
        frame = frame.f_back
    raise KeyboardInterrupt
