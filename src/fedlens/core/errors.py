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
    """Something that the user can put right: the message names the place and the remedy.

    Example:
        >>> import fedlens
        >>> try:
        ...     fedlens.load_experiment("quikstart")
        ... except fedlens.FedlensError as error:
        ...     print(error)
        there is no preset or file 'quikstart'; did you mean quickstart?
    """

    def __init__(self, message: str = "") -> None:
        super().__init__("\n".join(cut(line, LONGEST_LINE) for line in message.split("\n")))


class ConfigError(FedlensError):
    """An experiment that cannot be run as it is written.

    Attributes:
        missing: required options that were not given, by their dotted names, each with a value that would do.
        instead: likewise those whose values are wrong; ``None`` for one that does not exist.

    Example:
        >>> import fedlens
        >>> try:
        ...     fedlens.Experiment(clients=0)
        ... except fedlens.ConfigError as error:
        ...     print(error)
        clients: a number greater than 0 is needed, not 0; e.g. clients=10
    """

    def __init__(
        self, message: str, missing: Mapping[str, Any] | None = None, instead: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.missing = dict(missing or {})
        self.instead = dict(instead or {})


class UnjudgedError(ConfigError):
    """An experiment of which nothing can be told, whatever the attack does: a result, and no fault of anybody's.

    Attributes:
        reason: why, in a clause.
        remedies: what to do about it, each with the option to type.

    Example:
        >>> import fedlens
        >>> error = fedlens.UnjudgedError("without attack, no sample is right", ["train for longer, e.g. -o rounds=20"])
        >>> print(error)
        cannot be judged: without attack, no sample is right; train for longer, e.g. -o rounds=20
    """

    def __init__(self, reason: str, remedies: Sequence[str]) -> None:
        super().__init__(f"cannot be judged: {reason}; {', or '.join(remedies)}")
        self.reason = reason
        self.remedies = tuple(remedies)


class DataError(FedlensError):
    """Data that is missing, corrupt, or does not fit the experiment.

    Example:
        >>> import fedlens
        >>> try:
        ...     list(fedlens.simulate(fedlens.Experiment(data="digits", clients=5000)))
        ... except fedlens.DataError as error:
        ...     print(str(error).partition("; ")[0])
        partition: 5,000 clients cannot share 1,437 samples, at least one each
    """


class RunError(FedlensError):
    """A run directory that cannot be written, read or resumed.

    Example:
        >>> import fedlens
        >>> try:
        ...     fedlens.load_run("runs/nowhere")
        ... except fedlens.RunError as error:
        ...     print(error)
        runs/nowhere: no run is there (it has no experiment.yaml); make one, e.g. fedlens run quickstart
    """


class ClientError(FedlensError):
    """A failure of a client's job, a rule or a check: the message names which, and the round.

    Example:
        >>> import fedlens
        >>> class Broken(fedlens.Attack):
        ...     def craft(self, view):
        ...         raise ValueError("no idea")
        >>> experiment = fedlens.Experiment(data="digits", rounds=1, attack=Broken(), control=False)
        >>> try:
        ...     list(fedlens.simulate(experiment, engine="serial"))
        ... except fedlens.ClientError as error:
        ...     print(error)
        malicious client 9 in round 1 failed: ValueError: no idea
    """


class ExplanationError(FedlensError):
    """A model, input or class that cannot be explained as asked.

    Example:
        >>> import torch
        >>> import fedlens
        >>> try:
        ...     fedlens.explain(torch.nn.Linear(2, 2), torch.rand(1, 2), target=7)
        ... except fedlens.ExplanationError as error:
        ...     print(error)
        target: there is no class 7; the model has classes 0 to 1
    """


class DamagedRunError(RunError):
    """A run directory whose files do not hold what they should.

    Example:
        >>> from pathlib import Path
        >>> import fedlens
        >>> Path("runs/digits/rounds.jsonl").write_text("{}")
        2
        >>> try:
        ...     fedlens.load_run("runs/digits")
        ... except fedlens.DamagedRunError as error:
        ...     print(str(error).partition("; ")[0])
        runs/digits/rounds.jsonl: has changed since the run was complete
    """
