"""Text in parts that belong together: by speaker, by paragraph, or as a whole."""

import re
from typing import Literal

Group = Literal["none", "paragraph", "speaker"]

_SPEAKER = re.compile(r"([^\W\d_][\w .,'’&-]{0,59}):[ \t]*(.*)")


def passages(text: str, group: Group) -> dict[str, str]:
    """Return the text of each group, by its name.

    A speaker's text begins at a line ``NAME:`` in capitals, with or without words after it, or at one with nothing but
    a name and a colon (``First Citizen:``); all that one says is joined line by line. What precedes the first speaker
    is left out. Paragraphs are separated by blank lines, and numbered from 1.
    """
    if group == "none":
        return {"": text}
    if group == "paragraph":
        parts = [part.strip("\n") for part in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text)]
        filled = [part for part in parts if part.strip()]
        return {f"paragraph {number}": part for number, part in enumerate(filled, 1)}
    lines: dict[str, list[str]] = {}
    speaker: str | None = None
    for line in text.split("\n"):
        match = _SPEAKER.fullmatch(line.strip())
        if match and (match[1].isupper() or (not match[2] and match[1][0].isupper())):
            speaker = match[1]
            lines.setdefault(speaker, []).extend([match[2]] if match[2] else [])
        elif speaker is not None and line.strip():
            lines[speaker].append(line)
    return {name: "\n".join(said) for name, said in lines.items() if said}
