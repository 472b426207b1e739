"""What a page asks other machines for when it is looked at: nothing, if all is well."""

import re
from collections.abc import Collection
from pathlib import Path

LOADS = re.compile(
    r"""<(?!a\b)[^<>]*\b(?:src|srcset|href|data|poster)\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|(?:url\(|@import)\s*["']?(?:https?:)?//[^"')\s]+"""
)


def loads(text: str) -> list[str]:
    """List what a page or style sheet loads from elsewhere; links for a reader to follow do not count."""
    return [found[0] for found in LOADS.finditer(text)]


def loads_of(site: Path, without: Collection[str] = ()) -> list[str]:
    """List what all pages and style sheets of a site load from elsewhere, each with its file.

    Args:
        site: the site's folder.
        without: files that are not looked at, such as a report, whose own policy forbids it to load anything.
    """
    files = [file for kind in ("*.html", "*.css") for file in site.rglob(kind) if file.name not in without]
    return sorted({f"{file.relative_to(site)}: {load}" for file in files for load in loads(file.read_text("utf-8"))})
