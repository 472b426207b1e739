"""The adversarial lens on federated learning: one malicious client, what it achieves, and what the server could see.

`Experiment` describes a run, `run` runs it into a directory, `simulate` yields its rounds, `load_run` reads it back;
`sweep` runs a grid of them, `audit` finds out whether a server holds, `explain` shows which inputs drive a model's
predictions.
`Attack`, `Rule`, `Detector`, `Data`, `Partition`, `Model` and `Method` are what you derive from to bring your own.
"""

import warnings

import lazy_loader

_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

_RENAMED = {"Auxiliary": "TargetSamples"}
"""Public names of earlier versions, which still work, and their new names."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name in _RENAMED:
        old, name = name, _RENAMED[name]
        message = f"fedlens.{old} is now fedlens.{name}; the old name will be removed"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    return _public_name(name)
