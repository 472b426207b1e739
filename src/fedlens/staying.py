"""Custom code must not end the program: nobody could tell an exit code of 0 from a run that is complete.

``SystemExit`` (``sys.exit``, ``exit``) passes every ``except Exception``, and ``os._exit`` ends the process at once.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from fedlens.errors import ClientError, FedlensError

leave = os._exit
"""Ends this process at once, for whoever means it."""


@contextmanager
def staying(what: str, refusal: type[FedlensError] = ClientError) -> Iterator[None]:
    """Let nothing within the block end the process.

    Args:
        what: what to call the code in the error's message.
        refusal: the error.

    Raises:
        FedlensError: something tried to.
    """
    with _without_exit():
        try:
            yield
        except SystemExit as error:
            raise refusal(f"{what} ended the program: SystemExit({error.code!r}); let it return instead") from error


@contextmanager
def staying_unless_failed() -> Iterator[None]:
    """Let nothing within the block end the process as if all had gone well.

    Raises:
        ClientError: something tried to.
    """
    with _without_exit():
        try:
            yield
        except SystemExit as error:
            if error.code:
                raise
            raise ClientError(
                "code that was imported ended the program before it was done: SystemExit(0); let it return instead"
            ) from error


@contextmanager
def _without_exit() -> Iterator[None]:
    """Let ``os._exit`` raise `SystemExit` in this process; what is forked from it may end as always."""
    before, process = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        sys.exit(status)

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = before
