"""Controls: the same experiment without attack, run once and shared by every attack.

There are two. In the *benign twin* the malicious client is honest. In the *placebo*, for rules that do not average, it
is absent: Krum without it takes another client's update, which may do what the attack seems to do.

Each is an ordinary run, in the cache, that keeps its predictions on the whole test set after each round. So it can be
asked about any target that is drawn later. Its key holds what its result depends on: the experiment less attack and
target, who is absent, the data and shards, the model's first weights, the user's code, the versions, and the
number `BITS`, which is raised whenever fedlens computes something else.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from fedlens.core.code import digest as digest_code
from fedlens.core.errors import DamagedRunError
from fedlens.core.files import checksum, writing
from fedlens.core.numerics import BITS, numerics
from fedlens.core.paths import REMEDY, is_users, private_cache
from fedlens.experiment.experiment import Experiment, control_name
from fedlens.experiment.setting import Setting
from fedlens.goals.success import TargetSamples, success
from fedlens.runs.folder import Files, lay_out
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import load_predictions, read_rounds, read_summary
from fedlens.runs.record_values import answers
from fedlens.runs.weights import keeps_weights
from fedlens.simulation.callback import Observer


class Control:
    """A complete benign twin, or a complete placebo.

    Attributes:
        path: its run directory.
        records: its rounds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = read_rounds(path)

    def predictions(self, round_: int) -> Tensor:
        """Log-probabilities ``[samples, classes]`` of its global model on the test set after this round."""
        return load_predictions(self.path, round_)

    @property
    def last(self) -> Tensor:
        """The predictions of its last model."""
        return self.predictions(len(self.records))

    @property
    def silent(self) -> int | None:
        """The first round after which its answers are no numbers; such a twin is no control."""
        return next((record["round"] for record in self.records if not answers(record)), None)

    def beside(self, round_: int, auxiliary: TargetSamples) -> dict[str, Any]:
        """What stands beside an attacked round: the control's quality, and what it makes of the attacker's samples."""
        predictions = self.predictions(round_).to(auxiliary.index.device)
        return {"quality": self.records[round_ - 1]["quality"], "target": asdict(success(predictions, auxiliary))}


def key(setting: Setting, arithmetic: str) -> str:
    """What the control in this setting is cached by; its rounding depends on `arithmetic` beside the machine."""
    described = [setting.experiment.identity(), setting.device.type, numerics(arithmetic), BITS, setting.digests()]
    digest = hashlib.blake2b(json.dumps(described).encode(), digest_size=12)
    digest.update(digest_code(type(part) for _, part in setting.experiment.parts()).encode())
    return digest.hexdigest()


def place(name: str) -> Path:
    """Where in the cache the control of this key is."""
    return private_cache("controls") / name


def cached(setting: Setting, arithmetic: str) -> Path | None:
    """The control in this setting, where it is complete and sound."""
    path = place(key(setting, arithmetic))
    with suppress(DamagedRunError):
        return path if _is_complete(path, setting.experiment) else None
    return None


def keep(name: str, files: Files, control: Experiment) -> None:
    """Put a complete control that was made elsewhere into the cache, unless it is there or being made."""
    path = place(name)
    with suppress(Timeout), FileLock(f"{path}.lock", timeout=0):
        with suppress(DamagedRunError):
            if _is_complete(path, control):
                return
        lay_out(files, path)


def find_control(
    setting: Setting, arithmetic: str, make: Callable[[Path], None], observer: Observer, *, keep_weights: bool = False
) -> Control:
    """The control in this setting: from the cache, or made now.

    Args:
        setting: the control's own.
        arithmetic: as in `key`.
        make: plays the control into a directory, going on from what is there.
        observer: is told where a control was found, or found damaged.
        keep_weights: whether it must have its weights after every round, as `make` keeps them then.
    """
    path, name = place(key(setting, arithmetic)), control_name(setting.experiment)
    where = path
    lock = FileLock(f"{path}.lock")
    with writing(path.parent, REMEDY):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            observer.remark(f"{name}: another process is training it; waiting for that")
            lock.acquire()
    try:
        try:
            complete = _is_complete(path, setting.experiment)
            if keep_weights and (path / "experiment.yaml").exists() and not keeps_weights(path):
                observer.remark(f"{name}: made anew, for the cached one did not keep its weights")
                where, complete = path.with_name(f".{path.name}.anew"), False
            if complete:
                observer.remark(f"{name}: already in {path}")
            else:
                make(where)
        except DamagedRunError as error:
            observer.remark(f"{name}: made anew, for the cached one is damaged: {error}")
            shutil.rmtree(where)
            make(where)
        if where != path:
            _replace(path, where)
        return Control(path)
    finally:
        lock.release()


def _replace(path: Path, new: Path) -> None:
    """Put the control `new` in the place of `path`, at once, for other runs may be reading the old one."""
    old = path.with_name(f".{path.name}.old")
    with writing(path):
        shutil.rmtree(old, ignore_errors=True)  # of one that was killed
        path.rename(old)
        new.rename(path)
        shutil.rmtree(old)


def _is_complete(path: Path, control: Experiment) -> bool:
    """Whether what is cached at `path` is complete, once it is known to be `control`, with files as they were written.

    Raises:
        DamagedRunError: it is another experiment, or a file has changed or is missing.
    """
    experiment, summary = path / "experiment.yaml", path / "summary.json"
    try:
        if path.exists() and not is_users(path):
            raise DamagedRunError(f"{path}: belongs to another user")
        if experiment.exists() and load_recorded(path, like=control).identity() != control.identity():
            raise DamagedRunError(f"{experiment}: is another experiment")
        sums = read_summary(path)["checksums"] if summary.exists() else {}
        changed = [name for name, known in sums.items() if checksum(path / name) != known]
    except (OSError, KeyError) as error:
        raise DamagedRunError(f"{path}: {error}") from error
    if changed:
        raise DamagedRunError(f"{path / changed[0]}: has changed")
    return summary.exists()
