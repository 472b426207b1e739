"""``fedlens new``: a file with an attack, a rule, a stage, a goal or another part of one's own, to begin with."""

import re
import shlex
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from fedlens.cli.shared import out
from fedlens.core.errors import ConfigError

USED = {
    "attack": "-o attack={name}",
    "rule": "-o aggregation={name} -o attack.boost=2",
    "stage": "-o 'aggregation=[{name}, median]' -o attack.boost=2",
    "check": "-o checks={name}",
    "data": "-o data={name} -o local.batch_size=20",
    "model": "-o model={name}",
    "goal": "-o goal={name} -o attack=data-poisoning",
    "trigger": "-o goal=backdoor -o goal.trigger={name} -o attack=data-poisoning",
}
"""How the quickstart is run with what is in the file."""


def new(
    kind: Annotated[
        Literal["attack", "rule", "stage", "check", "data", "model", "goal", "trigger"],
        typer.Argument(help="What to write."),
    ],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The file to write; default my_KIND.py.")] = None,
) -> None:
    """Write an attack, rule, stage or the like to start from. It runs as it is; edit it."""
    from fedlens.core.files import writing

    path = file or Path(f"my_{kind}.py")
    _require_possible(path, kind)
    with writing(path, "choose another file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((files("fedlens.cli") / "templates" / f"{kind}.py.txt").read_text("utf-8"), "utf-8")
    words = USED[kind].format(name=f"{path.stem}:My{kind.capitalize()}")
    there = "" if path.parent == Path() else f"cd {shlex.quote(str(path.parent))} && "
    out.print(f"Written: {path}", markup=False, soft_wrap=True)
    out.print(f"\nNext:\n  {there}fedlens run quickstart {words} -o name={path.stem}", markup=False, soft_wrap=True)


def _require_possible(path: Path, kind: str) -> None:
    """Refuse a file that is there already, or that could not be imported by its name.

    Raises:
        ConfigError: it is, or could not.
    """
    stem = re.sub(r"\W", "_", path.stem)
    stem = stem if stem.isidentifier() else f"my_{kind}"
    if path.exists():
        raise ConfigError(f"{path}: is there already; e.g. fedlens new {kind} {path.with_name(f'{stem}_2.py')}")
    if path.suffix != ".py" or path.stem != stem:
        raise ConfigError(f"{path}: is no name of a module; e.g. fedlens new {kind} {path.with_name(f'{stem}.py')}")
    if find_spec(stem) is not None:
        remedy = f"e.g. fedlens new {kind} {path.with_name(f'my_{stem}.py')}"
        raise ConfigError(f"{path}: Python has a module {stem!r} already, which would be taken in its place; {remedy}")
