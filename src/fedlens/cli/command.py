"""What all commands have in common."""

import re
from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from shlex import quote
from traceback import print_exception
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fedlens.core.errors import ConfigError
from fedlens.core.suggest import likeliest

Traceback = Annotated[bool, typer.Option("--traceback", help="Show the full traceback of an error.")]


def tracing(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option ``--traceback`` to a command; it shows where an error arose, frame by frame."""

    @wraps(command)
    def traced(*arguments: Any, traceback: bool, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except Exception as error:
            if traceback:
                print_exception(error)
            raise

    original = signature(command, eval_str=True)
    option = Parameter("traceback", Parameter.KEYWORD_ONLY, default=False, annotation=Traceback)
    traced.__signature__ = original.replace(parameters=[*original.parameters.values(), option])  # type: ignore[attr-defined]
    return traced


class Command(TyperCommand):
    """A command that names the nearest choice to a misspelt one, and the right option where ``-o`` is not meant."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments.

        Raises:
            ConfigError: a file is given by ``-o``, which is an experiment's option.
        """
        names = {name for parameter in self.params for name in parameter.opts}
        if "-o" not in names and (wrong := _short_output(args)) is not None:
            name = next((name for name in ("--output", "--out") if name in names), None)
            remedy = f"write {name} {wrong}" if name else f"fedlens {self.name} has no such option"
            raise ConfigError(f"-o sets an option of an experiment, as in fedlens run; {remedy}")
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _with_nearest(error.message)
            raise


def _short_output(args: list[str]) -> str | None:
    """Return what follows ``-o``, quoted for the shell; FILE if nothing does, None without ``-o``."""
    for index, word in enumerate(args):
        if word == "--":
            break
        if word.startswith("-o"):
            return quote(word[2:].removeprefix("=") or next(iter(args[index + 1 :]), "FILE"))
    return None


def _with_nearest(message: str) -> str:
    """Return the objection to a choice, and which one was meant."""
    message = message.removeprefix("Value error, ")
    said, _, choices = message.partition(" is not one of ")
    meant = likeliest(said.strip("'"), re.findall(r"'([^']+)'", choices))
    return message if meant is None else f"{message} Did you mean {meant}?"
