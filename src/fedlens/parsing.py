"""YAML in which a key given twice is an error, and whose errors say where."""

from collections.abc import Hashable
from contextlib import suppress
from typing import Any

import yaml

from fedlens.errors import ConfigError


class _EachKeyOnce(yaml.constructor.SafeConstructor):
    """YAML in which a key given twice is an error, and not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem=f"{key!r} cannot be a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"{key!r} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Telling(_EachKeyOnce, yaml.SafeLoader):
    """Says better what is wrong, in eight times the time."""


class _Quick(_EachKeyOnce, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """For texts in which nothing is wrong."""


def parse_yaml(text: str, place: str) -> Any:
    """The value that `text` stands for.

    Raises:
        ConfigError: the text is not YAML; the message names `place` and the line.
    """
    with suppress(yaml.YAMLError, ValueError):
        return yaml.load(text, Loader=_Quick)
    try:
        return yaml.load(text, Loader=_Telling)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{place}{line}: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:  # such as a date in the 13th month
        raise ConfigError(f"{place}: {error}") from None
