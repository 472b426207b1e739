"""Tests find no temporary files but their own."""

import subprocess
import sys
import tempfile
from pathlib import Path


def test_temporary_files_are_the_tests_own(temporary_files: Path) -> None:
    script = "import tempfile; print(tempfile.gettempdir())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Path(tempfile.gettempdir()) == Path(done.stdout.strip()) == temporary_files
