"""What a figure needs of a run beside its rounds: that it recorded what is to be drawn."""

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.experiment.measures import Kind


def require_recorded(run: Run, *kinds: Kind) -> None:
    """Refuse a run that did not record all of these kinds.

    Raises:
        ConfigError: it lacks one.
    """
    if missing := [kind for kind in kinds if kind not in run.experiment.recorded]:
        wanted = ", ".join(dict.fromkeys([*(run.experiment.record or ()), *kinds]))
        raise ConfigError(f"{run.path}: no {missing[0]} were kept; run it with -o 'record=[{wanted}]'")
