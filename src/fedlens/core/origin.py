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
"""At most this many characters of an exception's message are quoted."""


def told(error: BaseException) -> str:
    """Say in a line what an exception says, and where: ``ValueError: too late (mine.py:21)``."""
    lines = str(error.msg if isinstance(error, SyntaxError) else error).strip().splitlines()
    name = type(error).__name__
    location = place_of(error)
    return (f"{name}: {cut(lines[0], LONGEST)}" if lines else name) + (f" ({location})" if location else "")


def place_of(error: BaseException) -> str:
    """Return the innermost line of the user's own code that an exception has come through; empty if there is none."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append((error.filename, error.lineno or 1))
    return next((_shown(file, line) for file, line in reversed(frames) if _is_theirs(file)), "")


def at(definition: Callable[..., object]) -> str:
    """Say where a method or class of the user's is defined, as in `` (mine.py:21)``; empty if it is not theirs."""
    try:
        file = inspect.getsourcefile(definition)
        return f" ({_shown(file, inspect.getsourcelines(definition)[1])})" if file and _is_theirs(file) else ""
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
