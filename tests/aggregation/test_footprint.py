import subprocess
import sys
from pathlib import Path


def test_no_rule_needs_half_as_much_memory_again_as_the_updates() -> None:
    """With an outlier that overflows in float32 and a duplicate, so that distances are measured in every way."""
    script = Path(__file__).with_name("footprint.py")
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=120)
    assert 0 < float(done.stdout) < 0.5
