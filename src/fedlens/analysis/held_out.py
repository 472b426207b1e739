"""The runs of an audit that its verdict rests on."""

from pathlib import Path

from fedlens.core.errors import DamagedRunError
from fedlens.runs.reading import read_json

AUDIT = "audit.json"


def held_out(audit: Path) -> frozenset[str]:
    """Return the cells of an audit's verdict: those of the search chose the attacks, and flatter what they chose.

    Raises:
        DamagedRunError: the audit's file is damaged.
    """
    try:
        return frozenset(Path(cell["run"]).name for cell in read_json(audit / AUDIT)["verdict_cells"])
    except (LookupError, TypeError) as error:
        words = f"{audit / AUDIT}: cannot be read ({error!r}); repeat the command that made the audit"
        raise DamagedRunError(words) from error
