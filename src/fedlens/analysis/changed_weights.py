"""Weights of a complete run that are not as they were: its tables do not need them, but its models do."""

from collections.abc import Iterator
from shlex import join

from fedlens.analysis.run_results import Run
from fedlens.core.files import checksum
from fedlens.core.regular import regular
from fedlens.core.suggest import another

CHECKPOINT, FINAL, BEST = "checkpoint.safetensors", "final.safetensors", "best.safetensors"


def changed_weights(run: Run) -> Iterator[str]:
    """Yield what is wrong with files of weights, and what to do; nothing of a run that is kept without any."""
    sums = {} if run.summary is None else run.summary.checksums
    names = [name for name in (CHECKPOINT, FINAL, BEST) if name in sums]
    if not any((run.path / name).exists() for name in names):
        return
    faults = {name: fault for name in names if (fault := _fault(run, name, sums[name]))}
    resume = join(["fedlens", "run", "--resume", "--out", str(run.path)])
    anew = join(["fedlens", "run", str(run.path), "--out", str(another(run.path))])
    for name, fault in faults.items():
        remedy = f"write it again: {resume}" if [*faults] == [FINAL] else f"make the run anew: {anew}"
        yield f"{run.path / name}: {fault}; {remedy}"


def _fault(run: Run, name: str, expected: str) -> str:
    file = run.path / name
    if not file.exists():
        return "is missing"
    try:
        return "" if checksum(regular(file)) == expected else "has changed since the run was complete"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
