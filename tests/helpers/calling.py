"""The command line as a test calls it."""

import sys

import pytest

from fedlens.cli import main


def called(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `fedlens ...`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fedlens", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as error:
            code = int(error.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err
