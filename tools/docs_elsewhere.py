"""What other projects' code of a method does otherwise, each statement with the place where it can be checked."""

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, model_validator

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
        file: the path inside it; of what is absent, the folder that would have it.
        lines: where in it, as in ``12`` or ``12-20``; none of what is absent.
        checked: when somebody last looked.
        how: whether the code was only read, or executed by a script of ours.
        script: that script, below the repository's root.
        finding: ``as published``; ``differs``; ``no effect`` where it cannot work, or does nothing; ``absent``.
        words: how it differs, or why it has no effect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Words
    project: Words
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
    file: Words
    lines: Annotated[str, StringConstraints(pattern=r"^\d+(-\d+)?$")] | None = None
    checked: date
    how: Literal["read", "ran"]
    script: Words | None = None
    finding: Literal["as published", "differs", "no effect", "absent"]
    words: str = ""

    @model_validator(mode="after")
    def _says_what_it_must(self) -> Self:
        """Demand lines of code there is, a script of what was run, and words of what is not as published."""
        if (self.lines is None) != (self.finding == "absent"):
            raise ValueError("lines are of code there is, and absent is what has none")
        if (self.script is None) != (self.how == "read"):
            raise ValueError("what was run names its script, and nothing else does")
        if (self.words == "") != (self.finding in {"as published", "absent"}):
            raise ValueError("words say how it differs, or why it has no effect")
        return self

    @property
    def where(self) -> str:
        """The file, and the lines in it."""
        return self.file if self.lines is None else f"{self.file}:{self.lines}"

    @property
    def place(self) -> str:
        """Where it can be checked: a link to these lines."""
        if self.lines is None:
            return f"https://github.com/{self.repository}/tree/{self.commit}/{self.file}"
        first, _, last = self.lines.partition("-")
        anchor = f"#L{first}" + (f"-L{last}" if last else "")
        return f"https://github.com/{self.repository}/blob/{self.commit}/{self.file}{anchor}"

    @property
    def raw(self) -> str:
        """Where the file can be had."""
        return f"https://raw.githubusercontent.com/{self.repository}/{self.commit}/{self.file}"


@cache
def statements(docs: Path) -> Sequence[Statement]:
    """Return all statements, in the order in which they stand in the file."""
    return TypeAdapter(tuple[Statement, ...]).validate_python(yaml.safe_load((docs / FILE).read_text("utf-8")))
