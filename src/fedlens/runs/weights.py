"""The global weights in a run directory: final, best, last, or of any round whose weights were kept."""

from __future__ import annotations

from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Literal

from safetensors import safe_open

from fedlens.core.errors import DamagedRunError, RunError
from fedlens.core.regular import regular
from fedlens.core.suggest import another
from fedlens.runs.cutting import put_aside
from fedlens.runs.reading import TROUBLE, count_rounds, load_tensor
from fedlens.runs.state import read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

Which = Literal["final", "best", "last"] | int
"""The weights at the end, those of the best test accuracy, those after the last round recorded so far, or a round's."""

UNFINISHED = "; is the run finished? If so, only its records were kept, and `fedlens run --resume --out` makes it again"


def weights_file(run: Path, round_: int) -> Path:
    """Return the path of the weights after this round, if the run keeps them."""
    return run / "weights" / f"{round_:05d}.safetensors"


def keeps_weights(run: Path) -> bool:
    """Tell whether the run keeps the weights of every round."""
    return (run / "weights").is_dir()


def kept_rounds(run: Path) -> list[int]:
    """List the rounds whose weights were kept, in order."""
    return sorted(int(file.stem) for file in (run / "weights").glob("*.safetensors") if file.stem.isdigit())


def require_weights(run: Path, rounds: int) -> None:
    """Check that the weights of the first `rounds` rounds are there.

    Raises:
        DamagedRunError: some are missing or damaged.
    """
    anew = join(["fedlens", "run", str(run), "--keep-weights", "--out", str(another(run))])
    remedy = f"; make the run anew: {anew}; or remove {run / 'weights'} to go on without every round's weights"
    for round_ in range(1, rounds + 1):
        load_tensor(weights_file(run, round_), "weights", remedy)


def cut_weights(run: Path, rounds: int) -> None:
    """Move the weights of rounds after the first `rounds` to the folder ``cut``."""
    for round_ in kept_rounds(run):
        if round_ > rounds:
            put_aside(run, weights_file(run, round_))


def weights_of(run: Path, which: Which = "final") -> Tensor:
    """Load global weights, shape ``[d]``; a round's from any file that has them.

    Raises:
        DamagedRunError: the file is missing or damaged.
        RunError: there is no such round, or its weights were not kept.
    """
    if which == "last":
        return read_checkpoint(str(run / "checkpoint.safetensors"))[0].weights
    if isinstance(which, str):
        return load_tensor(run / f"{which}.safetensors", "weights", UNFINISHED)
    rounds = count_rounds(run)
    if not 1 <= which <= rounds:
        raise RunError(f"{run}: there is no round {which}; the last one recorded is {rounds}; e.g. --round {rounds}")
    if (path := weights_file(run, which)).exists():
        return load_tensor(path, "weights")
    others = _others(run)
    if which not in others:
        available = ", ".join(map(str, sorted(others.keys() | kept_rounds(run)))) or "none"
        raise RunError(
            f"{run}: the weights after round {which} were not kept (there are those after: {available}); "
            f"keep those of every round, and the benign twin's: fedlens run {run} --keep-weights --out {another(run)}"
        )
    return load_tensor(others[which], "weights")


def _others(run: Path) -> dict[int, Path]:
    """Return the weight files that every run has, by the round of their weights."""
    files = [run / f"{name}.safetensors" for name in ("checkpoint", "best", "final")]
    return {round_of(file): file for file in files if file.exists()}


def round_of(file: Path) -> int:
    """Return the round after which a file's global weights were written.

    Raises:
        DamagedRunError: the file is damaged.
    """
    if file.stem == "checkpoint":
        return read_checkpoint(str(file))[0].round
    try:
        with safe_open(str(regular(file, None)), framework="pt") as content:
            return int((content.metadata() or {})["round"])
    except TROUBLE as error:
        raise DamagedRunError(f"{file}: damaged ({error})") from error
