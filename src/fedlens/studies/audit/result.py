"""What an audit found, as one reads it from Python: of one that was just made, or from its directory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from fedlens.analysis.held_out import AUDIT
from fedlens.analysis.intervals import Interval
from fedlens.analysis.sweep_progress import UNFINISHED_AUDIT
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.core.suggest import likeliest_path
from fedlens.experiment.experiment import Experiment
from fedlens.report.audited import WORST, Audited, read_audit
from fedlens.runs.loading import load_experiment
from fedlens.studies.audit.judgement import EXIT_CODES, Finalist, Judgement, Verdict, deciding
from fedlens.studies.audit.ledger import FILE

if TYPE_CHECKING:
    import pandas as pd

JUDGEMENT = TypeAdapter(Judgement)


@dataclass(frozen=True)
class AuditResult:
    """What an audit found; its ``audit.json`` has everything that it tried.

    Shares and rates are fractions. `success`, `placebo` and `cost` are those of one finalist: of those that break the
    server the one whose rate is surely highest; where none does, the one with the most successes.

    Attributes:
        path: the audit's directory.
        verdict: ``broken``, ``holds``, ``undecided`` or ``no verdict``.
        sentence: the same as a sentence with its numbers.
        success: the rate at which the finalist succeeds where the placebo does not, over seeds that the search never
            saw. The intervals of all finalists are right together in 95 % of audits; ``None`` if no seed counts.
        placebo: the share of these seeds with which the placebo alone meets the goal; ``None`` likewise.
        cost: the median of the accuracy that the attack costs, below 0 if it was gained; ``None`` likewise.
        power: the smallest planted leak that the audit found, as a share of the mean; ``None`` if it found none.
        flags: red flags, a sentence each.
        worst_run: the directory of the run in which a finalist reached most; ``None`` if there is none.
        table: a row for each federation of the verdict, with its run's directory below `path`.

    Example:
        >>> import fedlens
        >>> audit = fedlens.load_audit("audits/digits")
        >>> audit.verdict, audit.exit_code, audit.power
        ('broken', 1, 0.01)
        >>> f"{audit.success.value:.2f} [{audit.success.low:.2f}, {audit.success.high:.2f}]"
        '1.00 [0.51, 1.00]'
        >>> audit.worst.attack
        ExplicitBoosting(...)
    """

    path: Path
    verdict: Verdict
    sentence: str
    success: Interval | None
    placebo: float | None
    cost: float | None
    power: float | None
    flags: tuple[str, ...]
    worst_run: Path | None
    table: pd.DataFrame = field(repr=False, compare=False)

    @property
    def exit_code(self) -> int:
        """That of the command: 0 for holds or undecided, 1 for broken, 3 for no verdict."""
        return EXIT_CODES[self.verdict]

    @property
    def worst(self) -> Experiment | None:
        """The experiment in which a finalist reached most, ready to run; ``None`` if there is none.

        Raises:
            ConfigError: it names code, and somebody else made the audit or the code is gone.
            RunError: its run is gone.
        """
        if self.worst_run is None:
            return None
        if not (self.worst_run / "experiment.yaml").is_file():
            description = str(self.path / WORST)
            raise RunError(f"{self.worst_run}: this run is gone; take fedlens.load_experiment({description!r})")
        return load_experiment(self.worst_run)


def load_audit(path: str | Path) -> AuditResult:
    """Load the audit in the directory `path`, which has reached its end; no code that it names is imported.

    Raises:
        RunError: there is no audit, or it has not reached its end.
        DamagedRunError: its file is damaged.

    Example:
        >>> import fedlens
        >>> fedlens.load_audit("audits/digits").verdict
        'broken'
    """
    path = Path(path)
    if not (path / AUDIT).is_file():
        raise RunError(f"{path}: {_missing(path)}")
    audited = read_audit(path)
    try:
        return _found(audited)
    except (LookupError, ValueError, TypeError) as error:
        what = f"{error.error_count()} impossible values" if isinstance(error, ValidationError) else str(error)
        raise DamagedRunError(
            f"{path / AUDIT}: cannot be read ({what}); repeat the command that made the audit"
        ) from error


def _found(audited: Audited) -> AuditResult:
    import pandas as pd

    judgement = JUDGEMENT.validate_python(audited.found["judgement"])
    decider = deciding(judgement.finalists)
    return AuditResult(
        path=audited.path,
        verdict=judgement.verdict,
        sentence=audited.verdict_sentence,
        success=_success(decider),
        placebo=decider.placebos / decider.cells if decider.cells else None,
        cost=decider.cost,
        power=None if judgement.leak_test is None else judgement.leak_test.smallest,
        flags=tuple(audited.flags),
        worst_run=audited.worst,
        table=pd.DataFrame(audited.found["verdict_cells"]),
    )


def _success(finalist: Finalist) -> Interval | None:
    if not finalist.cells:
        return None
    range_ = (float(finalist.successes == finalist.cells), float(finalist.successes > 0))
    value = finalist.successes / finalist.cells
    return Interval(value, finalist.low, finalist.high, range_, finalist.cells, needed=1)


def _missing(path: Path) -> str:
    """Say why no audit can be read there, and what to do."""
    if (path / FILE).is_file():
        return UNFINISHED_AUDIT
    meant = likeliest_path(
        path, (file.parent for base in {path.parent, Path("audits")} for file in base.glob(f"*/{AUDIT}"))
    )
    remedy = f"did you mean {meant}?" if meant else "make one, e.g. fedlens audit quickstart --effort quick"
    return f"no audit is there (it has no {AUDIT}); {remedy}"
