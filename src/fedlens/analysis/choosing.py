"""What of many runs is compared: which runs, by which options, which metrics, and at which rounds."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from fedlens.analysis.collect import Collection, is_field
from fedlens.analysis.missing import reasons_of
from fedlens.core.errors import ConfigError
from fedlens.core.parsing import parse_yaml
from fedlens.core.suggest import likeliest, nearest
from fedlens.experiment.flat import in_words, plain_value, shown

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "last": "last round",
    "best": "best round",
    "worst": "worst round",
    "mean": "mean over rounds",
    "median": "median over rounds",
}


@dataclass(frozen=True)
class At:
    """How a run's rounds become one number.

    Attributes:
        word: ``last``, ``best``, ``worst``, ``mean`` or ``median`` of the rounds of the attack's window; the last is
            the last that has a value, the best the largest, but of a loss the smallest.
        rounds: the rounds to take the mean over, if any are named, in place of the word.
        first: the round from which on the word counts.
    """

    word: str = "last"
    rounds: tuple[int, ...] = ()
    first: int = 1

    @classmethod
    def parse(cls, text: str, first: int = 1) -> "At":
        """Parse what ``--at`` says: a word, a round, or several rounds with commas between them; and ``--from``.

        Raises:
            ConfigError: it is none of these, or it names rounds and `first` does, too.
        """
        if text in WORDS:
            return cls(text, first=first)
        if re.fullmatch(r"\d+(,\d+)*", text):
            if first != 1:
                raise ConfigError(
                    f"--from {first}: goes with --at {', '.join(WORDS)}, not with named rounds; leave --from out"
                )
            return cls("", tuple(dict.fromkeys(map(int, text.split(",")))))
        meant = likeliest(text, sorted(WORDS)) or "8,9,10"
        raise ConfigError(
            f"--at {text}: choose one of {', '.join(WORDS)}, or rounds as in 3 or 8,9,10; e.g. --at {meant}"
        )

    def __str__(self) -> str:
        if not self.rounds:
            return WORDS[self.word] + (f" from round {self.first} on" if self.first > 1 else "")
        return f"round{'s' * (len(self.rounds) > 1)} {', '.join(map(str, self.rounds))}"

    def require(self, collection: Collection) -> None:
        """Refuse rounds that no run has.

        Raises:
            ConfigError: with the rounds that there are.
        """
        recorded_rounds = set(collection.table["round"])
        there = f"there are rounds {min(recorded_rounds)} to {max(recorded_rounds)}"
        if unknown := sorted(set(self.rounds) - recorded_rounds):
            raise ConfigError(f"--at: no run has round {unknown[0]}; {there}, e.g. --at {max(recorded_rounds)}")
        if self.first > max(recorded_rounds):
            raise ConfigError(
                f"--from {self.first}: no run has this round; {there}, e.g. --from {min(recorded_rounds)}"
            )

    def of(self, matrix: "pd.DataFrame", metric: str) -> "pd.Series[float]":
        """Return a number for each row of `matrix`, which has a column per round; missing where a named round is."""
        if self.rounds:
            return matrix.reindex(columns=list(self.rounds)).mean(axis=1, skipna=False)
        matrix = matrix.where(np.broadcast_to(matrix.columns.to_numpy() >= self.first, matrix.shape))
        if self.word == "last":
            return matrix.ffill(axis=1).iloc[:, -1]
        if self.word in {"mean", "median"}:
            return matrix.agg(self.word, axis=1)
        smallest = (self.word == "best") == metric.endswith("loss")
        return matrix.min(axis=1) if smallest else matrix.max(axis=1)


def narrowed(collection: Collection, where: Sequence[str]) -> Collection:
    """Return the runs that have the values wanted, which are alternatives where an option has several.

    Args:
        collection: the runs.
        where: ``option=value`` each.

    Raises:
        ConfigError: one is not of that form, or no run has it.
    """
    table, unjudged = collection.table, list(collection.unjudged)
    for field, values in parse_where(where).items():
        present = list(map(shown, collection.values_of(field)))
        shown_values = {value: named(value, present) for value in values}
        if unknown := [value for value, meant in shown_values.items() if not meant]:
            meant = likeliest(unknown[0], sorted(present)) or next(iter(present))
            remedy = f"e.g. --where {shlex.quote(f'{field}={meant}')}"
            raise ConfigError(
                f"--where {field}={unknown[0]}: no run has this; there are {', '.join(present)}; {remedy}"
            )
        wanted = {shown_value for meant in shown_values.values() for shown_value in meant}
        table = table[table[field].map(lambda value, wanted=wanted: shown(plain_value(value)) in wanted)]
        unjudged = [shown_value for shown_value in unjudged if shown(shown_value.values.get(field)) in wanted]
    if table.empty and unjudged:
        why = f"none of the {len(unjudged)} runs can be judged: {reasons_of(unjudged)}"
        raise ConfigError(f"--where {', '.join(where)}: {why}; {', or '.join(unjudged[0].remedies)}")
    if table.empty:
        raise ConfigError(f"--where: no run has all of {', '.join(where)}; e.g. --where {where[0]} alone")
    return replace(collection, table=table, unjudged=tuple(unjudged))


def parse_where(where: Sequence[str]) -> dict[str, list[str]]:
    """Parse the values wanted of each option.

    Raises:
        ConfigError: one is not of the form ``option=value``.
    """
    wanted: dict[str, list[str]] = {}
    for condition in where:
        field, equals, value = condition.partition("=")
        if not (field.strip() and equals and value.strip()):
            raise ConfigError(f"--where {condition}: expected FIELD=VALUE, for example --where attack.boost=5")
        wanted.setdefault(field.strip(), []).append(value.strip())
    return wanted


def chosen_fields(collection: Collection, by: Sequence[str]) -> tuple[str, ...]:
    """Return the options to compare by: those named, else the one that varies, if one does.

    Raises:
        ConfigError: none is named, and several vary.
    """
    varying = collection.varying
    if not by and len(varying) > 1:
        raise ConfigError(
            f"--by: by which of these shall the runs be compared? {', '.join(varying)}; e.g. --by {varying[0]}"
        )
    return tuple(dict.fromkeys(by or varying))


def require_metrics(collection: Collection, metrics: Sequence[str]) -> None:
    """Refuse a metric that is no column of numbers.

    Raises:
        ConfigError: with what may have been meant.
    """
    table = collection.table
    numeric_columns = [name for name in table.columns if name not in {"cell", "round"} and not is_field(name)]
    numeric_columns = [name for name in numeric_columns if _numeric(table[name])]
    for metric in metrics:
        if metric not in numeric_columns:
            raise ConfigError(f"--metric {metric}: no such column of numbers; {nearest(metric, numeric_columns)}")


def _numeric(column: "pd.Series[Any]") -> bool:
    """Tell whether a column has numbers or truths, and nothing else but missing values."""
    present = column.dropna()
    return bool(len(present)) and all(isinstance(value, Number) for value in present.unique().tolist())


def named(text: str, present: Sequence[str]) -> list[str]:
    """Return those of the values shown that `text` names; a component's name alone names it whatever options it has."""
    for value in (text, canonical(text)):
        if value in present:
            return [value]
    return [shown_value for shown_value in present if shown_value.startswith(f"{text}(")]


def canonical(text: str) -> str:
    """Return a value as it is shown, however typed: 5.0 and 0x5 as 5, yes as true, {name: krum, f: 1} as krum(f=1)."""
    if text in {"null", "–"}:
        return "–"
    try:
        value = parse_yaml(text, "value")
    except ConfigError:  # such as a reason in brackets
        return text
    match value:
        case bool() | int() | float():
            return shown(value)
        case {"name": str(name), **options}:
            return in_words(name, {str(option): option_value for option, option_value in options.items()})
    return text
