"""The list of runs, and the page that explains why there is nothing to see, as HTML."""

from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

from fedlens.report.html.page import environment
from fedlens.watch.run_list import ListedRun


def list_page(folder: Path, runs: Sequence[ListedRun]) -> str:
    """Return the page with the list of `runs`, to be ticked and compared."""
    return _rendered("list.html", "Runs", folder=str(folder), runs=runs, ago=_ago)


def trouble_page(reason: str) -> str:
    """Return a page that says why there is nothing to see, and reloads when something changes."""
    return _rendered("trouble.html", "Nothing to see yet", reason=reason)


def _rendered(template: str, title: str, **values: Any) -> str:
    text = environment("fedlens.watch").get_template(template).render(title=title, live=True, **values)
    return text.encode(errors="replace").decode()


def _ago(moment: float) -> str:
    """Return in words how long ago the moment was."""
    seconds = max(0.0, time() - moment)
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds / 86_400:.0f} days ago"
