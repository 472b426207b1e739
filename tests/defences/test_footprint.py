import subprocess
import sys
from pathlib import Path

from helpers.waiting import PATIENCE


def test_no_rule_needs_a_third_as_much_memory_again_as_the_updates() -> None:
    """With an outlier that overflows in float32 and a duplicate, so that distances are measured in every way.

    Nearly all of it are blocks and their like, which are not larger where there are more entries.
    """
    script = Path(__file__).with_name("footprint.py")
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert 0 < float(done.stdout) < 1 / 3
