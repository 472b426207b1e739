"""Without Flower, everything else works, and the bridge says what to install."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

import fedlens

SCRIPT = """
import fedlens, fedlens.bridges.wire
try:
    import fedlens.bridges.flower
except fedlens.ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(find_spec("flwr") is not None, reason="Flower is installed here")
def test_the_bridge_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert "pip install 'fedlens[flower]'" in done.stdout


@pytest.mark.skipif(find_spec("flwr") is not None, reason="Flower is installed here")
def test_conform_names_the_extra() -> None:
    from fedlens.cli.conform import conform

    with pytest.raises(fedlens.ConfigError, match=r"pip install 'fedlens\[flower\]'"):
        conform("flwr.serverapp.strategy:Krum", "krum")
