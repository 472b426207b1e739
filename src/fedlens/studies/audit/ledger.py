"""The audit's ledger: everything that it measured, a line of JSON each, which is never changed again.

Decisions follow from what was measured, and are made anew from it at every start. So an audit that was interrupted goes
on as if it had not been: what stands in the ledger is not measured again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from fedlens.core.errors import DamagedRunError
from fedlens.core.files import writing

T = TypeVar("T")

FILE = "plan.jsonl"


class Ledger:
    """The lines of one audit.

    Args:
        folder: the audit's directory.

    Raises:
        DamagedRunError: a line but the last cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from pydantic import TypeAdapter
        >>> from fedlens.studies.audit.ledger import Ledger
        >>> folder, whole = Path(mkdtemp()), TypeAdapter(int)
        >>> Ledger(folder).once("sum", "1 + 1", whole, lambda: 2)
        2
        >>> Ledger(folder).once("sum", "1 + 1", whole, lambda: 1 // 0)
        2
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lines: dict[tuple[str, str], Any] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the line that was being written when the audit was killed
            with writing(self.path):
                os.truncate(self.path, len(whole))
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = json.loads(line)
                self._lines.setdefault((entry["kind"], entry["key"]), entry["value"])
            except (ValueError, KeyError, TypeError) as error:
                raise DamagedRunError(
                    f"{self.path}, line {number}: no entry of an audit; choose another --out"
                ) from error

    def has(self, kind: str, key: str) -> bool:
        """Tell whether this was measured."""
        return (kind, key) in self._lines

    def kinds(self) -> set[str]:
        """Return of what kinds something was measured."""
        return {kind for kind, _ in self._lines}

    def clear(self) -> None:
        """Begin anew."""
        with writing(self.path):
            self.path.unlink(missing_ok=True)
        self._lines.clear()

    def keys(self, kind: str) -> list[str]:
        """Return which of a kind were measured, in the order in which they were."""
        return [key for other, key in self._lines if other == kind]

    def get(self, kind: str, key: str, of: TypeAdapter[T]) -> T | None:
        """Return what was measured; ``None`` if it was not.

        Raises:
            DamagedRunError: the line does not have that form.
        """
        if not self.has(kind, key):
            return None
        try:
            return of.validate_python(self._lines[kind, key])
        except ValidationError as error:
            raise DamagedRunError(f"{self.path}: {kind} {key} is damaged; choose another --out") from error

    def once(self, kind: str, key: str, of: TypeAdapter[T], make: Callable[[], T]) -> T:
        """Return what was measured, or measure it now.

        Args:
            kind: what is measured.
            key: which of them.
            of: its type.
            make: measures it.
        """
        found = self.get(kind, key, of)
        if found is None:
            found = make()
            self.add(kind, key, of, found)
        return found

    def add(self, kind: str, key: str, of: TypeAdapter[T], value: T) -> None:
        """Write down what was measured, unless it stands there already."""
        if self.has(kind, key):
            return
        plain = of.dump_python(value, mode="json")
        line = json.dumps({"kind": kind, "key": key, "value": plain}, ensure_ascii=False).encode() + b"\n"
        with writing(self.path), self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._lines[kind, key] = plain
