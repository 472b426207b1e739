"""What all commands have in common."""

import re
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from traceback import print_exception
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fedlens.suggest import likeliest

Traceback = Annotated[bool, typer.Option("--traceback", help="Show where an error arose, frame by frame.")]


def tracing(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option more, ``--traceback``, which shows where an error arose, frame by frame."""

    @wraps(command)
    def traced(*arguments: Any, traceback: bool, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except Exception as error:
            if traceback:
                print_exception(error)
            raise

    own = signature(command, eval_str=True)
    option = Parameter("traceback", Parameter.KEYWORD_ONLY, default=False, annotation=Traceback)
    traced.__signature__ = own.replace(parameters=[*own.parameters.values(), option])  # type: ignore[attr-defined]
    return traced


class Command(TyperCommand):
    """A command that, where a choice is misspelt, names the nearest one."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _with_nearest(error.message)
            raise


def _with_nearest(message: str) -> str:
    """What is said against a choice, and which one was meant."""
    message = message.removeprefix("Value error, ")
    said, _, choices = message.partition(" is not one of ")
    meant = likeliest(said.strip("'"), re.findall(r"'([^']+)'", choices))
    return message if meant is None else f"{message} Did you mean {meant}?"
