"""A group of runs that are compared with others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedlens.analysis.measured import Measured
from fedlens.analysis.missing import Unjudged
from fedlens.analysis.success import SUCCESSES
from fedlens.experiment.flat import Value

CONTROL = "control"
OWN = {CONTROL: "the benign twin", "placebo": "the placebo"}
"""What each run has beside itself, by what it is called where differences from it are asked for."""


@dataclass(frozen=True)
class Group:
    """Runs that agree in the options that are compared.

    Attributes:
        values: the options' values.
        label: these in words.
        runs: how many runs there are.
        attacked: how many of these have an attack.
        unjudged: the cells that cannot be judged, beside these.
        metrics: each metric, or how much more it is than in the group that the comparison is `against`.
        controls: each metric of the benign twins, where it is known; none if metrics are differences.
        placebos: the same of the runs with the malicious client absent.
    """

    values: tuple[Value, ...]
    label: str
    runs: int
    metrics: Mapping[str, Measured]
    controls: Mapping[str, Measured]
    placebos: Mapping[str, Measured]
    unjudged: Sequence[Unjudged] = ()
    attacked: int = 0

    def missing(self, metric: str) -> int:
        """Count the runs that lack a metric; a run without attack lacks no success."""
        return (self.attacked if metric in SUCCESSES else self.runs) - self.metrics[metric].runs

    def no_attack(self, metric: str) -> bool:
        """Tell whether the metric is the success of an attack, and no run has one."""
        return metric in SUCCESSES and self.runs > 0 and not self.attacked

    def beside(self, control: str) -> Mapping[str, Measured]:
        """Return what is known of ``control`` or ``placebo``."""
        return self.controls if control == CONTROL else self.placebos
