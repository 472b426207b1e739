"""YAML in which a key given twice is an error, whose errors say where, and which nobody can choke on.

A text is looked through as a stream of events before anything is built from it: PyYAML builds by recursion, in C
without a limit, so that deep nesting ends the process, and a few aliases of aliases stand for more values than memory
holds.

Numbers are what people take for numbers, as in YAML 1.2: ``1e-3`` is one. What YAML 1.1 reads otherwise than it looks,
``010`` (as 8), ``12:30`` (as 750) and ``2026-11-26`` (as a date), is text.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from fedlens.core.errors import ConfigError, cut, shortened

LONGEST = 2**21
"""The longest text, in characters; the largest grid, each cell with a value of its own, has half as many."""

DEEPEST = 40
"""The deepest nesting of lists and mappings, and the most names in a dotted one."""

MOST = 250_000
"""The most values, including those that aliases stand for."""

LONGEST_NUMBER = 1000
"""The longest number, in characters."""

_MERGE = "tag:yaml.org,2002:merge"


_NUMBERS = {
    "tag:yaml.org,2002:int": r"[-+]?(?:0|[1-9][0-9_]*)|[-+]?0(?:b[01_]+|o[0-7_]+|x[0-9a-fA-F_]+)",
    "tag:yaml.org,2002:float": r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+"
    r"|[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
"""What is a number. No two repetitions that share characters adjoin: a long word would take forever to refuse."""
_OF_1_1 = {*_NUMBERS, "tag:yaml.org,2002:timestamp"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which a key given twice is an error, and not the last one's victory, and numbers are as the module says.

    It is libyaml's, in C, wherever PyYAML has that.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OF_1_1]
        for first, resolvers in yaml.resolver.Resolver.yaml_implicit_resolvers.items()
    }

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct as PyYAML does, but name the line where a value is not what its tag says."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, str):
                value.encode()
            return value
        except UnicodeEncodeError:
            raise _error_at(node, f"{shortened(node.value)} has half a character in it") from None
        except (LookupError, AttributeError, TypeError):  # what PyYAML's constructors fall over
            raise _error_at(node, f"{shortened(node.value)} is no {node.tag.rpartition(':')[2]}") from None

    def construct_number(self, node: yaml.ScalarNode) -> float:
        """Construct a number, but none that is meant as a time or a ratio: YAML 1.1 would read 12:30 in base 60."""
        text = str(self.construct_scalar(node))
        if ":" in text:
            raise _error_at(node, f"{shortened(text)} is no number; write it in quotes if it is a word")
        if len(text) > LONGEST_NUMBER:
            raise _error_at(
                node, f"{shortened(text)} is a number of {len(text):,} characters; no option takes one so long"
            )
        whole = node.tag.endswith(":int")
        number: float = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        return number

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):  # which its tag says, but not how it is written
            raise _error_at(
                node, "this is tagged as a mapping, but none; write options and their values, as in {name: value}"
            )
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise _error_at(key_node, f"{shortened(key)} cannot be a key")
            if key in seen:
                raise _error_at(key_node, f"{shortened(key)} is given twice")
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what any reader would take for something else than text."""


for _tag, _pattern in _NUMBERS.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), list("-+.0123456789"))
    _Loader.add_constructor(_tag, _Loader.construct_number)


def dump_yaml(value: object, width: int = 120, **options: Any) -> str:
    """Return the text from which `parse_yaml` makes the value again, keys in their order."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, **options))


def parse_yaml(text: str, source: str) -> Any:
    """Return the value that `text` stands for.

    Raises:
        ConfigError: the text is not YAML, or too large; the message names `source` and the line.
    """
    try:
        _require_small(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        if mark is None:
            raise ConfigError(f"{source}: {cut(problem, 300)}") from None
        line = "".join(text.splitlines()[mark.line : mark.line + 1])
        seen = f": {shortened(line)}" if line.strip() and type(error) is not yaml.MarkedYAMLError else ""  # libyaml's
        raise ConfigError(f"{source}, line {mark.line + 1}: {cut(problem, 300)}{seen}") from None
    except ValueError as error:  # such as a date in the 13th month
        raise ConfigError(f"{source}: {cut(str(error), 300)}") from None


def read_yaml(path: Path, trouble: str = "cannot be read") -> Any:
    """Return the value that the file `path` holds; `trouble` says what is the matter if it does not open.

    Raises:
        ConfigError: it cannot be read, or is not YAML.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: {trouble}: {reason}; it should be text in UTF-8 that you may read") from None
    return parse_yaml(text, str(path))


def line_of(path: Path, option: str) -> int | None:
    """Return the line, from 1, on which the YAML file `path` sets the option of this dotted name, or what it is in.

    ``None`` if the file does not set it at all. An option of a list's only entry that sets it is found in there.

    Raises:
        ConfigError: the file cannot be read, or is not YAML.
    """
    read_yaml(path)
    node, line = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader), None
    for name in option.split("."):
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        pairs = [pair for item in items if isinstance(item, yaml.MappingNode) for pair in item.value]
        setting = [(key.start_mark.line + 1, value) for key, value in pairs if key.value == name]
        if len(setting) != 1:  # none, or several entries of a list
            break
        line, node = setting[0]
    return line


def _require_small(text: str) -> None:
    """Refuse a text that is long, deep, or stands for very many values.

    Raises:
        YAMLError: it is; or it is no YAML.
    """
    if len(text) > LONGEST:
        raise yaml.MarkedYAMLError(problem=f"longer than {LONGEST:,} characters, which no experiment is")
    anchored: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []  # the collections that are open: anchor, and values until they began
    values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = around.pop()
            if anchor is not None:
                anchored[anchor] = values - before
            continue
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in around):
                raise _error_at(event, f"{shortened(event.anchor)} is part of itself")
            values += anchored.get(str(event.anchor), 1)
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if isinstance(event, yaml.CollectionStartEvent):
                around.append((event.anchor, values - 1))
                if len(around) > DEEPEST:
                    raise _error_at(event, f"more than {DEEPEST} lists and mappings within each other")
            elif event.anchor is not None:
                anchored[event.anchor] = 1
        if values > MOST:
            raise _error_at(event, f"more than {MOST:,} values, those that aliases stand for included")


def _error_at(part: yaml.Event | yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=part.start_mark)  # type: ignore[arg-type]
