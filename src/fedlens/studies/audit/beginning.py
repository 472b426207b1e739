"""What an audit was begun with: only with the same may the same directory go on.

Everything that was measured is of one experiment, one rule and one data set. Somebody's rule keeps its name when its
file is edited, and so do data; a verdict that mixed two of them, or was the old one's, would say nothing of either.
"""

from pathlib import Path

from pydantic import TypeAdapter

from fedlens.core.code import digest, files_behind
from fedlens.core.errors import RunError
from fedlens.core.numerics import BITS
from fedlens.core.suggest import another
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import VERSION
from fedlens.studies.audit.ledger import Ledger
from fedlens.studies.audit.subject import Subject

WORDS = TypeAdapter(str)
KIND = "begun"
NOTHING_YET = {KIND, "seed", "plan"}
"""What a ledger has before anything was measured."""


def begun(folder: Path, subject: Subject, runtime: Runtime) -> Ledger:
    """Open the ledger of an audit; where nothing was measured yet, it begins anew.

    Args:
        folder: the audit's directory.
        subject: what is audited.
        runtime: where the data are.

    Raises:
        RunError: the audit that is there is one of something else.
        FedlensError: the experiment cannot be prepared.
    """
    ledger, present = Ledger(folder), told(subject, runtime)
    if ledger.kinds() <= NOTHING_YET and not any((folder / "cells").iterdir()):
        ledger.clear()
    for key, (value, changed) in present.items():
        if ledger.once(KIND, key, WORDS, lambda value=value: value) != value:  # type: ignore[misc]
            raise RunError(f"{folder}: {changed}; choose another --out, e.g. --out {another(folder)}")
    return ledger


def told(subject: Subject, runtime: Runtime) -> dict[str, tuple[str, str]]:
    """Return what tells this audit from others, and what to say where it has changed, by a word for each."""
    experiment = subject.experiment
    own = [cls for cls in experiment.code_behind if cls.__module__.partition(".")[0] != "fedlens"]
    files = ", ".join(str(file) for file in files_behind(own).values())
    identity = f"{experiment.identity()} {subject.accuracy_cost:g} {VERSION} {BITS}"
    data = runtime.prepare(experiment).digests()["data"]
    return {
        "audit": (identity, "an audit of something else is there already, or with another accuracy cost"),
        "code": (digest(own), f"the code has changed since the audit that is there was begun ({files})"),
        "data": (data, "the data have changed since the audit that is there was begun, or are drawn anew each time"),
    }
