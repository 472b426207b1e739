"""What a figure needs of a run beside its rounds: that a check was switched on which keeps it."""

from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError


def require_check(run: Run, check: str, recorded: str) -> None:
    """Refuse a run without the check that keeps what is to be drawn; `recorded` says what, in the plural.

    Raises:
        ConfigError: the check was not switched on.
    """
    if check not in run.experiment.detectors:
        raise ConfigError(f"{run.path}: no {recorded} were kept; run it with -o 'checks=[{check}]'")
