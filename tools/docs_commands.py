"""The page on the command line, made from the command line itself."""

import inspect
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from docs_markdown import code, fence, table
from typer.main import get_command

from fedlens.cli import app
from fedlens.cli.examples import examples


def commands() -> dict[str, Any]:
    """Return every command by its name, in the order of ``fedlens --help``."""
    found: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    return found


def commands_page() -> Iterator[str]:
    """Yield every command with its arguments and options."""
    yield "# Command line"
    yield ""
    yield "If you make a mistake, fedlens explains in a line or two how to fix it, and exits with code 2. `-h` shows "
    yield "what is on this page, `--version` prints the versions of fedlens, PyTorch and Python, and "
    yield "`--install-completion` sets up shell completion."
    yield ""
    for name, command in commands().items():
        yield f"## fedlens {name} {{ #{name} }}"
        yield ""
        yield from _section(name, command)
        for beneath, other in getattr(command, "commands", {}).items():
            yield f"### fedlens {name} {beneath} {{ #{name}-{beneath} }}"
            yield ""
            yield from _section(f"{name} {beneath}", other)


def _section(name: str, command: Any) -> Iterator[str]:
    """Yield what a command does, its arguments and options."""
    yield from inspect.cleandoc(command.help or "").splitlines()
    yield ""
    arguments = [part for part in command.params if part.param_type_name == "argument"]
    options = [part for part in command.params if part.param_type_name == "option"]
    usage = [part.metavar or part.name.upper() for part in arguments]
    usage = [word if part.required else f"[{word.strip('[]')}]" for word, part in zip(usage, arguments, strict=True)]
    yield from fence("text", " ".join(["fedlens", name, *usage, *(["[OPTIONS]"] if options else [])]))
    rows = [[f"`{word.strip('[]')}`", "", part.help or ""] for word, part in zip(usage, arguments, strict=True)]
    rows += [[_names(part), _default(part), part.help or ""] for part in options if not part.hidden]
    if rows:
        yield from table(("argument or option", "default", "meaning"), rows)
    yield from fence("sh", "\n".join(examples(name.rpartition(" ")[2])))


def _names(option: Any) -> str:
    words = code([*option.opts, *option.secondary_opts])
    return words if option.is_flag else f"{words} {_value(option)}"


def _value(option: Any) -> str:
    """Return what follows the option's name."""
    if option.metavar:
        return f"`{option.metavar}`"
    annotation = option.type_descriptor.annotation
    if get_origin(annotation) in {Union, UnionType}:
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) is Literal:
        return code(get_args(annotation), " or ")
    return f"`{getattr(annotation, '__name__', str(annotation)).replace('str', 'text').upper()}`"


def _default(option: Any) -> str:
    value = option.default
    return "" if value is None or option.is_flag or callable(value) else f"`{value}`"
