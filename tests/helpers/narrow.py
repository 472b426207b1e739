"""What is printed to a narrow terminal, compared with the same on a wide one."""

import re
from collections import Counter


def require_whole(wide: str, narrow: str, width: int) -> None:
    """Refuse words that are broken or cut, percent signs alone on a line, and tables wider than the terminal."""
    assert Counter(words(narrow)).keys() == Counter(words(wide)).keys()
    assert not re.search(r"^ *%|  %", narrow, re.MULTILINE), narrow
    rules = [line for line in narrow.splitlines() if "───" in line]
    assert rules
    assert max(map(len, rules)) <= width


def words(printed: str) -> list[str]:
    """The words, without the rules below the heads of tables."""
    return re.sub("─+", " ", printed).split()
