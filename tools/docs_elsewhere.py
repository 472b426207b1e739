"""What other projects' code of a method does otherwise, each statement with the place where it can be checked."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

FILE = Path("zoo") / "elsewhere.yaml"
"""Below the documentation's folder."""

Words = Annotated[str, StringConstraints(min_length=1)]


class Statement(BaseModel):
    """What a project's code of a method is, compared with its publication.

    Attributes:
        method: our name of it.
        project: its name.
        repository: on GitHub, as in ``owner/name``.
        commit: forty hexadecimal digits.
        file: the path inside it.
        lines: where in it, as in ``12`` or ``12-20``.
        checked: when somebody last looked.
        how: whether the code was only read, or executed by a script of ours.
        script: that script, below the repository's root.
        finding: ``as published``; ``differs``; ``no effect`` where it cannot work, or does nothing.
        words: how it differs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Words
    project: Words
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    file: Words
    lines: Annotated[str, StringConstraints(pattern=r"^\d+(-\d+)?$")]
    checked: date
    how: Literal["read", "ran"]
    script: Words | None = None
    finding: Literal["as published", "differs", "no effect"]
    words: str = ""

    @property
    def place(self) -> str:
        """Where it can be checked: a link to these lines."""
        first, _, last = self.lines.partition("-")
        anchor = f"#L{first}" + (f"-L{last}" if last else "")
        return f"https://github.com/{self.repository}/blob/{self.commit}/{self.file}{anchor}"


@cache
def statements(docs: Path) -> Sequence[Statement]:
    """Return all statements, in the order in which they stand in the file."""
    return TypeAdapter(tuple[Statement, ...]).validate_python(yaml.safe_load((docs / FILE).read_text("utf-8")))
