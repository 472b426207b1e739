"""Custom code must not end the program: nobody could tell an exit code of 0 from a run that is complete.

``SystemExit`` (``sys.exit``, ``exit``) passes every ``except Exception``, ``os._exit`` ends the process at once, and
``os.exec…`` puts another program in its place. What Python or Typer would take for themselves (``GeneratorExit``,
``EOFError``, ``typer.Exit``, ...) would end a command without a word; here it fails like any other exception.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EPIPE
from typing import Any, NoReturn

from fedlens.core.deadline import Late
from fedlens.core.errors import ClientError, FedlensError
from fedlens.core.origin import place_of, told

leave = os._exit
"""Ends this process at once, for whoever means it."""

ENDING = ("_exit", "execv", "execve")
"""What ends a process, or what it does: functions of ``os``, which has them from ``posix``."""


@contextmanager
def staying(what: str, refusal: type[FedlensError] = ClientError) -> Iterator[None]:
    """Let nothing within the block end the process.

    Args:
        what: what to call the code in the error's message.
        refusal: the error.

    Raises:
        FedlensError: something tried to, or ended with an exception that a caller would not take for a failure.
    """
    with _without_exit(), _failing(what, refusal):
        try:
            yield
        except SystemExit as error:
            raise refusal(f"{what} ended the program: SystemExit({error.code!r}); let it return instead") from error


@contextmanager
def staying_unless_failed() -> Iterator[None]:
    """Let nothing within the block end the process as if all had gone well.

    Raises:
        ClientError: something tried to, or ended with an exception that a caller would not take for a failure.
    """
    with _without_exit(), _failing("code that was imported", ClientError):
        try:
            yield
        except SystemExit as error:
            if error.code:
                raise
            raise ClientError(
                "code that was imported ended the program before it was done: SystemExit(0); let it return instead"
            ) from error


@contextmanager
def _failing(what: str, refusal: type[FedlensError]) -> Iterator[None]:
    """Turn what a caller would not take for a failure into one."""
    try:
        yield
    except BaseException as error:
        if not _is_mistaken(error):
            raise
        raise refusal(f"{what} failed: {told(error)}") from error


def _is_mistaken(error: BaseException) -> bool:
    """Tell whether Python or Typer would take a failure of custom code for something of their own.

    A closed pipe may be that of our own output, and a closed generator one of ours.
    """
    if isinstance(error, GeneratorExit) or (isinstance(error, OSError) and error.errno == EPIPE):
        return bool(place_of(error))
    if not isinstance(error, Exception):
        return not isinstance(error, KeyboardInterrupt | Late | SystemExit)
    return isinstance(error, EOFError) or type(error).__module__.partition(".")[0] in {"typer", "click"}


@contextmanager
def _without_exit() -> Iterator[None]:
    """Let what ends this process raise `SystemExit`; what is forked from it may end as always."""
    before = [(module, name, getattr(module, name)) for module in (os, sys.modules[os.name]) for name in ENDING]
    process = os.getpid()

    def refusing(name: str, end: Callable[..., NoReturn]) -> Callable[..., NoReturn]:
        def refuse(*arguments: Any, **named: Any) -> NoReturn:
            if os.getpid() != process:
                end(*arguments, **named)
            sys.exit((*arguments, *named.values(), 1)[0] if name == "_exit" else f"os.{name}")

        return refuse

    for module, name, end in before:
        setattr(module, name, refusing(name, end))
    try:
        yield
    finally:
        for module, name, end in before:
            setattr(module, name, end)
