"""Write the locks that `make` installs from: every package but PyTorch, with a version and its files' hashes.

    make lock

PyTorch is installed first, by version alone: its builds for the CPU and for CUDA have different files, and what CUDA
needs comes with the latter. Versions are those of `constraints.txt`, platforms all that the packages support.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = {"run": "", "test": "test,tracking,ui", "dev": "dev"}
"""By the name of a lock, the extras that it has."""

BUILD = "hatchling\neditables\n"
"""What builds fedlens itself, which is installed without isolation, so that nothing is fetched for it."""

WITH_PYTORCH = re.compile(r"(torch|triton|cuda-|nvidia-)")
HEAD = (
    "# Written by `make lock` from pyproject.toml and constraints.txt; install PyTorch first, then this by --no-deps.\n"
)


def compiled(*arguments: str, given: str) -> list[str]:
    """Compile the locked packages, each with its hashes."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "-", *arguments, "--quiet", "--universal", "--python-version",
        "3.11.5", "--generate-hashes", "--no-header", "--no-annotate", "--constraint", "constraints.txt",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found = re.split(r"^(?=\S)", done.stdout, flags=re.MULTILINE)
    return [package for package in found if package and not WITH_PYTORCH.match(package)]


def main() -> None:
    """Write them all."""
    alone = compiled("--no-deps", given="byzfl\n")  # its dependencies, torchvision among them, nothing here needs
    for name, extras in LOCKS.items():
        own = f"fedlens[{extras}] @ {ROOT.as_uri()}\n" if extras else f"fedlens @ {ROOT.as_uri()}\n"
        packages = compiled("--no-emit-package", "fedlens", given=own + BUILD) + alone * (name != "run")
        (ROOT / "locks" / f"{name}.txt").write_text(HEAD + "".join(sorted(packages)))


if __name__ == "__main__":
    main()
