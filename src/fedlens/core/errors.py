"""The errors that a user can put right; the command line prints them without a traceback."""

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_LINE = 2000
"""The longest line of a message, in characters: what is longer was quoted from something that is wrong."""


def shortened(value: object, most: int = 80) -> str:
    """Return a value as a message can quote it: on one line, and without its middle where it is long."""
    try:
        return cut(repr(value), most)
    except Exception:  # Python writes out no integer of thousands of digits, and a user's own class may do anything
        return f"<{type(value).__name__}>"


def named(value: object) -> str:
    """Say what a value is, as it goes on after "returned": ``5``, ``None``, ``a Tensor``."""
    if value is None or isinstance(value, bool | int | float | str):
        return shortened(value, 40)
    name = type(value).__name__
    return f"a{'n' * (name[0] in 'AEIOUaeiou')} {name}"


def cut(text: str, most: int = 80) -> str:
    """Return a text without its middle where it is long."""
    return text if len(text) <= most else f"{text[: most * 2 // 3]} … {text[-(most // 4) :]}"


class FedlensError(Exception):
    """Something that the user can put right: the message names the place and the remedy."""

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(cut(line, LONGEST_LINE) for line in message.split("\n")))


class ConfigError(FedlensError):
    """An experiment that cannot be run as it is written.

    Attributes:
        missing: required options that were not given, by their dotted names, each with a value that would do.
    """

    def __init__(self, message: str, missing: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.missing = dict(missing or {})


class UnjudgedError(ConfigError):
    """An experiment of which nothing can be told, whatever the attack does: a result, and no fault of anybody's.

    Attributes:
        reason: why, in a clause.
        remedies: what to do about it, each with the option to type.
    """

    def __init__(self, reason: str, remedies: Sequence[str]) -> None:
        super().__init__(f"cannot be judged: {reason}; {', or '.join(remedies)}")
        self.reason = reason
        self.remedies = tuple(remedies)


class DataError(FedlensError):
    """Data that is missing, corrupt, or does not fit the experiment."""


class RunError(FedlensError):
    """A run directory that cannot be written, read or resumed."""


class ClientError(FedlensError):
    """A client's job, a rule or a check failed: the message names which, and the round."""


class ExplanationError(FedlensError):
    """A model, input or class that cannot be explained as asked."""


class DamagedRunError(RunError):
    """A run directory whose files do not hold what they should."""
