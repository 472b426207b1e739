"""What Python or pip has installed, which is nobody's own code."""

import sysconfig
from functools import cache
from importlib import metadata
from pathlib import Path


def is_installed(path: Path) -> bool:
    """Tell whether a file or folder lies where Python or pip puts things."""
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(map(path.is_relative_to, _libraries()))


@cache
def version(package: str) -> str:
    """Return the version of a package as it was when this process first asked, whose modules it has imported.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    return metadata.version(package)


@cache
def _libraries() -> list[Path]:
    paths = sysconfig.get_paths()
    return [Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
