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
"""No option or component has a longer name."""

LISTED = 24
"""At most this many names are listed where one is not known."""

TYPED = "-o {path}={value}"
"""How an option is typed, unless its kind has a form of its own."""

BY_KIND: Mapping[str, str] = {
    "checks": "-o checks={{name: {name}, {option}: {value}}}",
    "stage": "-o aggregation={{name: {name}, {option}: {value}}}",
    "method": "--methods {name}:{option}={value}",
}
"""How options of the components are typed that are no plain value beneath a name."""


def another(path: Path) -> Path:
    """Return another directory to write into: next to `path`, or within it if it is the working directory or above."""
    return path.with_name(f"{path.name}-2") if path.name not in {"", ".."} else path / "another"


def nearest(word: str, candidates: Iterable[str], prefix: str = "", listing: str = "") -> str:
    """Return a sentence that names what `word` may have meant, or else what is known.

    Args:
        word: what was said.
        candidates: what could have been.
        prefix: what precedes it, as in ``attack.``.
        listing: where all candidates are listed, if anywhere.
    """
    candidates = sorted(candidates)
    if (symbol := PAPER_SYMBOLS.get(word)) is not None:
        return f"the paper's {word} is called {symbol} here"
    if (meant := likeliest(word, candidates)) is not None:
        return f"did you mean {prefix}{meant}?"
    if listing:
        return f"{listing} has all that are known"
    more = f" and {len(candidates) - LISTED} more" if len(candidates) > LISTED else ""
    return f"known: {', '.join(candidates[:LISTED])}{more}" if candidates else "it has no options"


def likeliest(word: str, candidates: Sequence[str]) -> str | None:
    """Return the candidate that is `word` in another case, else one spelt like it or that contains it; or ``None``."""
    if len(word) > LONGEST_WORD:  # to compare it would take long, and in vain
        return None
    short = word.lower()
    if (same := next((name for name in candidates if name.lower() == short), None)) is not None:
        return same
    if close := difflib.get_close_matches(word, candidates, n=1, cutoff=0.6):
        return close[0]
    by_end = {name.rpartition(".")[2].lower(): name for name in reversed(candidates)}
    if close := difflib.get_close_matches(short, by_end, n=1, cutoff=0.7):
        return by_end[close[0]]
    having = [name for name in candidates if short in name.lower()] if len(word) > 1 else []
    return min(having, key=lambda name: (not name.lower().startswith(short), len(name)), default=None)


def likeliest_path(path: Path, candidates: Iterable[Path]) -> Path | None:
    """Return the candidate whose name, without its ending, is most like that of `path`; ``None`` if none is like it."""
    by_stem = {candidate.stem: candidate for candidate in candidates}
    meant = likeliest(path.stem, sorted(by_stem))
    return None if meant is None else by_stem[meant]


def likeliest_file(path: Path) -> Path | None:
    """Return the YAML file next to `path` whose name is most like its own; ``None`` if none is like it."""
    with suppress(OSError, ValueError):  # it is no path that there could be
        return likeliest_path(path, path.parent.glob("*.y*ml"))
    return None


def typed(kind: str, name: str) -> str:
    """Return how to type an option of the component `name`, with ``{path}``, ``{option}`` and ``{value}`` left open."""
    return BY_KIND.get(kind, TYPED).replace("{name}", name.replace("{", "{{").replace("}", "}}"))


def pasted(form: str, path: str, value: object) -> str:
    """Return the words to paste that give the option at `path` this `value`, quoted where a shell wants it."""
    words = form.format(path=path, option=path.rpartition(".")[2], value=plain(value))
    flag, _, rest = words.partition(" ")
    return f"{flag} {shlex.quote(rest)}"


def plain(value: object) -> str:
    """Return a value as YAML has it."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {plain(below)}' for key, below in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def example(field: FieldInfo, said: object = None) -> Any:
    """Return a value that `field` takes instead of `said`: a word like it, its example, default, or what fits."""
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
    """Yield plain values of a type, within the bounds that its metadata has."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _fitting(arguments[0], [*arguments[1:], *metadata])
    elif origin in {Union, UnionType}:
        for member in arguments:
            yield from _fitting(member, metadata) if member is not NoneType else ()
    elif origin is Literal:
        yield from arguments
    elif origin is tuple:
        count = 1 if arguments[-1] is Ellipsis else len(arguments)
        yield from ([value] * count for value in _fitting(arguments[0], []))
    elif annotation is bool:
        yield True
    elif annotation in {int, float}:
        yield _within(annotation, dict(bounds(metadata)))


def bounds(metadata: Iterable[Any]) -> Iterator[tuple[str, float]]:
    """Yield the bounds that a type's metadata has, by their signs: ``gt``, ``ge``, ``lt``, ``le``."""
    for mark in metadata:
        if isinstance(mark, FieldInfo):
            yield from bounds(mark.metadata)
        for sign in ("gt", "ge", "lt", "le"):
            if (bound := getattr(mark, sign, None)) is not None:
                yield sign, bound


def _within(kind: type[int | float], bounds: Mapping[str, float]) -> float:
    """Return 1, or what is nearest to it within the bounds; of fractions the middle."""
    low = max(bounds.get("ge", 1), bounds.get("gt", 0) + 1)
    high = min(bounds.get("le", low), bounds.get("lt", low + 1))
    if kind is float and high <= 1 and {"le", "lt"} & bounds.keys():
        return (bounds.get("ge", bounds.get("gt", 0)) + high) / 2
    return min(low, high)
