"""Run others' code on small values, for every statement of ``docs/zoo/elsewhere.yaml`` that says it was run by this.

Their code is no part of this repository. Put the files below a folder, as in ``others/owner/name/aggregators/krum.py``,
each at its commit; `python tools/elsewhere_ran.py others` says where missing ones can be had. Then it takes single
functions out of them, and compares what these return with what is right and with what is stated. Exit code 1: a
statement does not hold; 2: files are missing. This executes code of others: read it first.
"""

import __future__

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from docs_elsewhere import Statement, statements
from numpy.typing import ArrayLike
from ran_attacks import ATTACKS_SHOWN
from ran_defences import DEFENCES_SHOWN
from ran_shown import Shown, Take

ROOT = Path(__file__).parents[1]
SCRIPT = "tools/elsewhere_ran.py"
SHOWN: Mapping[str, Callable[[Take], Iterator[Shown]]] = {**DEFENCES_SHOWN, **ATTACKS_SHOWN}
"""By repository, file and lines of the statement."""


@dataclass(frozen=True)
class Checkout:
    """Files of one repository.

    Attributes:
        folder: where they are.
    """

    folder: Path

    def __call__(self, file: str, *names: str, **world: object) -> SimpleNamespace:
        """Return functions out of a file, without importing it.

        Args:
            file: its path in the repository.
            names: functions, as ``name``, and methods, as ``Class.name``, which become functions of `self`.
            world: what they use from outside, besides NumPy and PyTorch.

        Raises:
            LookupError: the file has no such function.
        """
        tree = ast.parse((self.folder / file).read_text("utf-8"))
        found = dict(_functions(tree.body))
        missing = [name for name in names if name not in found]
        if missing:
            raise LookupError(f"{file} has no {', '.join(missing)}")
        made: dict[str, Any] = {"np": np, "torch": torch, **world}
        flags = __future__.annotations.compiler_flag
        for name in names:
            found[name].decorator_list = []
            exec(compile(ast.Module([found[name]], []), file, "exec", flags), made)
        return SimpleNamespace(**made)


def _functions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{name}", method) for name, method in _functions(node.body))


def key(statement: Statement) -> str:
    """Say what a statement is about, as a key of `SHOWN`."""
    return f"{statement.repository} {statement.where}"


def holds(statement: Statement, shown: Shown) -> bool:
    """Tell whether others' code returned what is stated, and that differs from what is right if it should."""
    return _same(shown.theirs, shown.stated) and _same(shown.stated, shown.right) == (
        statement.finding == "as published"
    )


def main(others: Path) -> int:
    """Print what every statement's code returned, and return the exit code."""
    ran = [statement for statement in statements(ROOT / "docs") if statement.script == SCRIPT]
    missing = {one.raw: one for one in ran if not (others / one.repository / one.file).is_file()}
    for address, one in missing.items():
        print(f"missing: {others / one.repository / one.file} from {address}")
    if missing:
        return 2
    wrong = 0
    for statement in ran:
        print(f"{statement.method}, {key(statement)}: {statement.finding}")
        with redirect_stdout(sys.stderr):  # some of their functions print
            found = list(SHOWN[key(statement)](Checkout(others / statement.repository)))
        for shown in found:
            agrees = holds(statement, shown)
            wrong += not agrees
            print(f"  {shown.what}: right {_told(shown.right)}, theirs {_told(shown.theirs)}", end="")
            print("" if agrees else f", which is NOT as stated, {_told(shown.stated)}")
    return int(wrong > 0)


def _same(one: ArrayLike, other: ArrayLike) -> bool:
    return np.shape(one) == np.shape(other) and bool(np.allclose(one, other, rtol=0, atol=1e-6))


def _told(value: ArrayLike) -> str:
    return ", ".join(f"{number:.6g}" for number in np.ravel(value))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
