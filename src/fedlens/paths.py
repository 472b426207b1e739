"""Where fedlens keeps what it can fetch or compute again, and what it must remember."""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_state_path


def cache_dir() -> Path:
    """The cache: ``FEDLENS_CACHE`` if set, else the platform's place for a user's caches; it need not exist yet."""
    if chosen := os.environ.get("FEDLENS_CACHE"):
        return Path(chosen).expanduser()
    return user_cache_path("fedlens")


def state_dir() -> Path:
    """The state: ``FEDLENS_STATE`` if set, else the platform's place for what an application remembers of its user."""
    if chosen := os.environ.get("FEDLENS_STATE"):
        return Path(chosen).expanduser()
    return user_state_path("fedlens")
