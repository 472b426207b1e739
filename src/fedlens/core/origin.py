"""Where in the user's own code an error arose, or something is defined: ``mine.py:21``.

Frames of fedlens, of installed packages and of Python itself are nobody's to mend and are passed over.
"""

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path

from fedlens.core.errors import cut
from fedlens.core.installed import is_installed

LONGEST = 400
"""So many characters of what an exception says are told at most."""


def told(error: BaseException) -> str:
    """What an exception says in a line, and where: ``ValueError: too late (mine.py:21)``."""
    lines = str(error.msg if isinstance(error, SyntaxError) else error).strip().splitlines()
    name = type(error).__name__
    place = place_of(error)
    return (f"{name}: {cut(lines[0], LONGEST)}" if lines else name) + (f" ({place})" if place else "")


def place_of(error: BaseException) -> str:
    """The innermost place in the user's own code that an exception has come through; empty where there is none."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append((error.filename, error.lineno or 1))
    return next((_shown(file, line) for file, line in reversed(frames) if _is_theirs(file)), "")


def at(found: Callable[..., object]) -> str:
    """Where a method or class of the user's is defined, as in `` (mine.py:21)``; empty if it is none of theirs."""
    try:
        file = inspect.getsourcefile(found)
        return f" ({_shown(file, inspect.getsourcelines(found)[1])})" if file and _is_theirs(file) else ""
    except (OSError, TypeError):  # it has no source, or is built in
        return ""


def _shown(file: str, line: int) -> str:
    path = Path(file)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def _is_theirs(file: str) -> bool:
    path = Path(file).resolve()
    return (
        path.suffix == ".py" and not path.is_relative_to(Path(__file__).resolve().parents[1]) and not is_installed(path)
    )
