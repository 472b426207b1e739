"""Names of characters, as classes are called where a model predicts the next one."""

import unicodedata

UNKNOWN = "unknown character"
_NAMES = {" ": "space", "\n": "newline", "\t": "tab"}


def character_name(character: str) -> str:
    r"""Return a name that can be printed: the character itself, if it can be seen.

    Example:
        >>> from fedlens.data.characters import character_name
        >>> [character_name(character) for character in "a 3\n\u200b"]
        ['a', 'space', '3', 'newline', 'zero width space']
    """
    if character in _NAMES:
        return _NAMES[character]
    seen = character.isprintable() and not character.isspace() and not unicodedata.category(character).startswith("M")
    return character if seen else unicodedata.name(character, f"U+{ord(character):04X}").lower()
