"""The opening: the honest updates of a first round, which all runs that begin alike share.

Until the server has aggregated for the first time, nothing that an honest client does depends on the attack, the rule,
the checks or the number of rounds. So a benign twin keeps the updates of its first round in the cache, and the attacked
runs, placebos and other twins that begin from the same weights with the same shards take them from there, bit for bit.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load, save
from torch import Tensor

from fedlens.core.errors import RunError
from fedlens.core.files import write_atomically
from fedlens.core.paths import private_cache
from fedlens.experiment.setting import Setting
from fedlens.simulation.engines.choice import Choice
from fedlens.simulation.twin import key

LARGEST = 2**28
"""Bytes of an opening at most; a larger one is not kept."""

SPACE = 2**30
"""Bytes that all of them take; beyond that those go which have not been used for longest."""

_SUM = hashlib.sha256().digest_size


class Opening:
    """The honest updates of a first round, where the cache has them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, shape: tuple[int, ...]) -> Tensor | None:
        """The updates of the cohort, shape ``[k, d]``, unless they are missing or damaged."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content[_SUM:]).digest() != content[:_SUM]:
            return None
        with suppress(OSError):
            os.utime(self.path)
        updates = load(content[_SUM:])["updates"]
        return updates if updates.shape == shape else None

    def keep(self, updates: Tensor) -> None:
        """Put the updates of a cohort without attacker into the cache, unless they are too large."""
        if updates.nbytes > LARGEST:
            return
        content = save({"updates": updates.cpu().contiguous()})
        with suppress(RunError, OSError):  # it saves time alone
            write_atomically(self.path, hashlib.sha256(content).digest() + content)
            _prune(self.path.parent)


def find_opening(setting: Setting, choice: Choice) -> Opening | None:
    """The opening of a run that has controls, or of one of these.

    There is none where clients are computed side by side, for the number of them can change the last bits.
    """
    if choice.stack is not None:
        return None
    first = replace(setting, experiment=setting.experiment.first_round())
    return Opening(private_cache("openings") / key(first, choice.arithmetic))


def _prune(folder: Path) -> None:
    """Remove what was used longest ago, until the rest fits into the space."""
    left = SPACE
    for file in sorted(folder.iterdir(), key=lambda file: -file.stat().st_mtime):
        left -= file.stat().st_size
        if left < 0:
            file.unlink(missing_ok=True)
