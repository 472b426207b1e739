"""The adversarial lens on federated learning: one malicious client, what it achieves, and what the server could see.

`Experiment` describes a run, `run` runs it into a directory, `simulate` yields its rounds, `load_run` reads it back;
`sweep` runs a grid of them, `explain` shows which inputs drive a model's predictions.
`Attack`, `Rule`, `Detector`, `Data`, `Partition`, `Model` and `Method` are what you derive from to bring your own.
"""

import warnings
from importlib import import_module

_HOMES = {
    "Aggregate": "fedlens.defences.rule",
    "Attack": "fedlens.attacks.attack",
    "Data": "fedlens.data.dataset",
    "Dataset": "fedlens.data.dataset",
    "Detector": "fedlens.defences.detector",
    "Experiment": "fedlens.experiment.experiment",
    "FedlensError": "fedlens.core.errors",
    "Inspection": "fedlens.defences.detector",
    "Method": "fedlens.explanations.methods.method",
    "Model": "fedlens.models.model",
    "Partition": "fedlens.data.partition",
    "Received": "fedlens.defences.rule",
    "Rule": "fedlens.defences.rule",
    "Run": "fedlens.analysis.run_results",
    "Samples": "fedlens.data.dataset",
    "Sweep": "fedlens.sweeps.sweep",
    "TargetSamples": "fedlens.goals.success",
    "Verdict": "fedlens.defences.detector",
    "View": "fedlens.attacks.attack",
    "explain": "fedlens.explanations.explaining",
    "load_experiment": "fedlens.runs.loading",
    "load_run": "fedlens.analysis.run_results",
    "run": "fedlens.simulation.simulation",
    "simulate": "fedlens.simulation.simulation",
    "sweep": "fedlens.sweeps.sweep",
}

_RENAMED = {"Auxiliary": "TargetSamples"}
"""Public names of earlier versions, which still work, and their new names."""

__all__ = [
    "Aggregate",
    "Attack",
    "Data",
    "Dataset",
    "Detector",
    "Experiment",
    "FedlensError",
    "Inspection",
    "Method",
    "Model",
    "Partition",
    "Received",
    "Rule",
    "Run",
    "Samples",
    "Sweep",
    "TargetSamples",
    "Verdict",
    "View",
    "explain",
    "load_experiment",
    "load_run",
    "run",
    "simulate",
    "sweep",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name in _RENAMED:
        old, name = name, _RENAMED[name]
        message = f"fedlens.{old} is now fedlens.{name}; the old name will be removed"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    if name not in _HOMES:
        raise AttributeError(f"module 'fedlens' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
