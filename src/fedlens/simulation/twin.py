"""Controls: the same experiment without attack, run once and shared by every attack.

There are two. In the *benign twin* the malicious client is honest. In the *placebo*, for rules that do not average, it
is absent: without it, Krum takes another client's update, which may have the effect ascribed to the attack.

Each is an ordinary run, in the cache, with its predictions on the whole test set after each round, from which the
success on any later target follows. Its key has everything that its result depends on: the experiment less attack and
target, who is absent, the data and shards, the first weights, the user's code, the versions of PyTorch and NumPy, and
the number `BITS`, which is raised whenever fedlens computes something else.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from torch import Tensor

from fedlens.core.code import digest as digest_code
from fedlens.core.errors import DamagedRunError
from fedlens.core.files import checksum, writing
from fedlens.core.numerics import BITS, numerics
from fedlens.core.paths import REMEDY, is_users
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.experiment.setting import Setting
from fedlens.goals.answers import BackdoorRecord
from fedlens.goals.success import TargetSamples, success
from fedlens.runs.controls import cache_path
from fedlens.runs.folder import Files, lay_out
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import load_predictions, read_rounds, read_summary
from fedlens.runs.record import ControlRecord
from fedlens.runs.record_values import silent
from fedlens.runs.weights import keeps_weights, weights_of
from fedlens.simulation.callback import Callback


class Control:
    """A complete benign twin, or a complete placebo.

    Attributes:
        path: its run directory.
        records: its rounds.
        backdoors: its answers to what the goal asks, after each round; empty where it asks nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = read_rounds(path)
        self.backdoors: list[BackdoorRecord] = []

    def weights(self, round_: int) -> Tensor:
        """Return the weights of its global model after this round, shape ``[d]``, if it kept them."""
        return weights_of(self.path, round_)

    def predictions(self, round_: int) -> Tensor:
        """Return log-probabilities ``[samples, classes]`` of its global model on the test set after this round."""
        return load_predictions(self.path, round_)

    @property
    def last(self) -> Tensor:
        """The predictions of its last model."""
        return self.predictions(len(self.records))

    @property
    def silent(self) -> int | None:
        """The first round after which its answers are NaN, which makes it useless as a control; else ``None``."""
        return silent(self.records)

    def values(self, round_: int, target_samples: TargetSamples | None) -> ControlRecord:
        """Return the control's quality after a round, and its answers to the target samples or to what a goal asks."""
        quality = self.records[round_ - 1].quality
        if target_samples is None:
            return ControlRecord(quality, backdoor=self.backdoors[round_ - 1] if self.backdoors else None)
        predictions = self.predictions(round_).to(target_samples.index.device)
        return ControlRecord(quality, success(predictions, target_samples))


def key(setting: Setting, arithmetic: str) -> str:
    """Return the cache key of the control in this setting; rounding depends on `arithmetic` and the machine."""
    ours = {name: value for name, value in numerics(arithmetic).items() if name != "fedlens"}  # which `BITS` stands for
    described = [setting.experiment.identity(), setting.device.type, ours, BITS, setting.digests()]
    digest = hashlib.blake2b(json.dumps(described).encode(), digest_size=12)
    digest.update(digest_code(setting.experiment.code_behind).encode())
    return digest.hexdigest()


def cached(setting: Setting, arithmetic: str) -> Path | None:
    """Return the cached control in this setting; ``None`` unless complete and intact."""
    path = cache_path(key(setting, arithmetic))
    with suppress(DamagedRunError):
        return path if _is_complete(path, setting.experiment) else None
    return None


def keep(name: str, files: Files, control: Experiment) -> None:
    """Put a complete control, made elsewhere, into the cache, unless it is already there or being made."""
    path = cache_path(name)
    with suppress(Timeout), FileLock(f"{path}.lock", timeout=0):
        with suppress(DamagedRunError):
            if _is_complete(path, control):
                return
        lay_out(files, path)


def find_control(
    setting: Setting, arithmetic: str, make: Callable[[Path], None], callback: Callback, *, keep_weights: bool = False
) -> Control:
    """Load the control in this setting from the cache, or make it.

    Args:
        setting: setting of the control.
        arithmetic: as in `key`.
        make: plays the control into a directory, resuming what is there.
        callback: gets a remark whether the cache has the control.
        keep_weights: whether the weights after every round must be kept, which `make` then does.
    """
    path, name = cache_path(key(setting, arithmetic)), control_name(setting.experiment)
    directory = path
    lock = FileLock(f"{path}.lock")
    with writing(path.parent, REMEDY):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            callback.remark(f"{name}: another process is training it; waiting for that")
            lock.acquire()
    try:
        try:
            complete = _is_complete(path, setting.experiment)
            if keep_weights and (path / "experiment.yaml").exists() and not keeps_weights(path):
                callback.remark(f"{name}: trained again, because the cached one kept no weights of its rounds")
                directory, complete = path.with_name(f".{path.name}.anew"), False
            if complete:
                callback.remark(f"{name}: already in {path}")
            else:
                make(directory)
        except DamagedRunError as error:
            callback.remark(f"{name}: trained again, because the cached one is damaged: {error}")
            shutil.rmtree(directory)
            make(directory)
        if directory != path:
            _replace(path, directory)
        return Control(path)
    finally:
        lock.release()


def _replace(path: Path, new: Path) -> None:
    """Replace `path` by the control `new` in one step, as other runs may be reading the old one."""
    old = path.with_name(f".{path.name}.old")
    with writing(path):
        shutil.rmtree(old, ignore_errors=True)  # left by a killed process
        path.rename(old)
        new.rename(path)
        shutil.rmtree(old)


def _is_complete(path: Path, control: Experiment) -> bool:
    """Tell whether the control cached at `path` is complete, after checking that it is `control` and intact.

    Raises:
        DamagedRunError: it is another experiment, or a file has changed or is missing.
    """
    experiment, summary = path / "experiment.yaml", path / "summary.json"
    try:
        if path.exists() and not is_users(path):
            raise DamagedRunError(f"{path}: belongs to another user")
        if experiment.exists() and load_recorded(path, like=control).identity() != control.identity():
            raise DamagedRunError(f"{experiment}: is another experiment")
        sums = read_summary(path).checksums if summary.exists() else {}
        changed = [name for name, recorded in sums.items() if checksum(path / name) != recorded]
    except (OSError, KeyError) as error:
        raise DamagedRunError(f"{path}: {error}") from error
    if changed:
        raise DamagedRunError(f"{path / changed[0]}: has changed")
    return summary.exists()
