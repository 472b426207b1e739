"""What a refusal suggests: the name that may have been meant, or an option with a value that it takes, to be pasted."""

import difflib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

PAPER_SYMBOLS = {
    "K": "clients",
    "C": "fraction",
    "T": "rounds",
    "E": "local.epochs",
    "B": "local.batch_size",
    "r": "target.r",
    "lambda": "attack.boost",
    "E_m": "attack.epochs",
}

LONGEST_WORD = 200
"""No option or part has a longer name."""

LISTED = 24
"""So many names are listed at most where one is not known."""

TYPED = "-o {place}={value}"
"""How an option is typed, unless its kind has a form of its own."""

BY_KIND: Mapping[str, str] = {
    "checks": "-o checks={{name: {name}, {option}: {value}}}",
    "method": "--methods {name}:{option}={value}",
}
"""How options of the parts are typed that are no plain value beneath a name."""


def another(path: Path) -> Path:
    """A directory to write into in place of `path`: beside it, or within where it is the one that one is in."""
    return path.with_name(f"{path.name}-2") if path.name not in {"", ".."} else path / "another"


def nearest(word: str, known: Iterable[str], prefix: str = "", listing: str = "") -> str:
    """A sentence that names what `word` may have meant, or else what is known.

    Args:
        word: what was said.
        known: what could have been.
        prefix: what stands before it, as in ``attack.``.
        listing: where all that is known is listed, if there is such a place.
    """
    known = sorted(known)
    if (symbol := PAPER_SYMBOLS.get(word)) is not None:
        return f"the paper's {word} is called {symbol} here"
    if (meant := likeliest(word, known)) is not None:
        return f"did you mean {prefix}{meant}?"
    if listing:
        return f"{listing} has all that are known"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"known: {', '.join(known[:LISTED])}{more}" if known else "it has no options"


def likeliest(word: str, known: Sequence[str]) -> str | None:
    """What of `known` is spelt most like `word`, ends or begins with it, or has it in it; ``None`` if nothing does."""
    if len(word) > LONGEST_WORD:  # to compare it would take long, and in vain
        return None
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.6):
        return close[0]
    short = word.lower()
    by_end = {name.rpartition(".")[2].lower(): name for name in reversed(known)}
    if close := difflib.get_close_matches(short, by_end, n=1, cutoff=0.7):
        return by_end[close[0]]
    having = [name for name in known if short in name.lower()] if len(word) > 1 else []
    return min(having, key=lambda name: (not name.lower().startswith(short), len(name)), default=None)


def likeliest_path(path: Path, known: Iterable[Path]) -> Path | None:
    """The path of `known` whose name, without an ending, is most like that of `path`; ``None`` if none is like it."""
    there = {one.stem: one for one in known}
    meant = likeliest(path.stem, sorted(there))
    return None if meant is None else there[meant]


def likeliest_file(path: Path) -> Path | None:
    """The YAML file beside `path` that has the most like name; ``None`` if none has one like it."""
    with suppress(OSError, ValueError):  # it is no path that there could be
        return likeliest_path(path, path.parent.glob("*.y*ml"))
    return None


def typed(kind: str, name: str) -> str:
    """How an option of the part called `name` is typed, with ``{place}``, ``{option}`` and ``{value}`` left open."""
    return BY_KIND.get(kind, TYPED).replace("{name}", name.replace("{", "{{").replace("}", "}}"))


def pasted(form: str, place: str, value: object) -> str:
    """The words to paste that give the option at `place` this `value`, quoted where a shell wants it."""
    words = form.format(place=place, option=place.rpartition(".")[2], value=plain(value))
    flag, _, rest = words.partition(" ")
    return f"{flag} {shlex.quote(rest)}"


def plain(value: object) -> str:
    """A value as YAML has it."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def example(field: FieldInfo, said: object = None) -> Any:
    """A value that `field` takes in place of what was `said`: a word like it, its example, default, or what fits."""
    words = [word for word in _fitting(field.annotation, field.metadata) if isinstance(word, str)]
    if isinstance(said, str) and (meant := likeliest(said, words)) is not None:
        return meant
    if field.examples:
        return field.examples[0]
    refused = isinstance(said, bool | int | float | str) and field.default == said
    if isinstance(field.default, bool | int | float | str) and field.default != "" and not refused:
        return field.default
    return next(_fitting(field.annotation, field.metadata), None)


def _fitting(annotation: Any, metadata: list[Any]) -> Iterator[Any]:
    """Plain values of a type, within the bounds that its metadata has."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _fitting(arguments[0], [*arguments[1:], *metadata])
    elif origin in {Union, UnionType}:
        for member in arguments:
            yield from _fitting(member, metadata) if member is not NoneType else ()
    elif origin is Literal:
        yield from arguments
    elif origin is tuple:
        yield from ([value] for value in _fitting(arguments[0], metadata))
    elif annotation is bool:
        yield True
    elif annotation in {int, float}:
        yield _within(annotation, dict(_bounds(metadata)))


def _bounds(metadata: list[Any]) -> Iterator[tuple[str, float]]:
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            yield from _bounds(mark.metadata)
        for sign in ("gt", "ge", "lt", "le"):
            if (bound := getattr(mark, sign, None)) is not None:
                yield sign, bound


def _within(kind: type[int | float], bounds: Mapping[str, float]) -> float:
    """1, or what is nearest to it within the bounds; of fractions the middle."""
    low = max(bounds.get("ge", 1), bounds.get("gt", 0) + 1)
    high = min(bounds.get("le", low), bounds.get("lt", low + 1))
    if kind is float and high <= 1 and {"le", "lt"} & bounds.keys():
        return (bounds.get("ge", bounds.get("gt", 0)) + high) / 2
    return min(low, high)
