"""Whole federations of an audit: sweep cells, each an arm with a seed, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedlens.analysis.run_results import Run
from fedlens.core.code import digest
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.experiment.cell import Cell as SweepCell
from fedlens.experiment.experiment import Experiment
from fedlens.runs.reading import DIGESTS, read_json
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import in_window, met, mostly_met, taken
from fedlens.simulation.callback import Callback
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.changing import with_attack
from fedlens.studies.audit.forks import error_of
from fedlens.studies.audit.subject import Purpose, Subject
from fedlens.sweeps.grid import Grid
from fedlens.sweeps.rounds_table import rounds_of
from fedlens.sweeps.sweep import Sweep, run_cells
from fedlens.sweeps.sweep_directory import SweepDirectory
from fedlens.sweeps.sweep_runtime import SweepRuntime

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Played:
    """What became of an arm in a whole federation.

    Attributes:
        arm: the attack.
        number: of the seed, among those of its purpose.
        key: the run's directory below ``cells/``.
        cell: what counts for the verdict; ``None`` if there is nothing to judge.
        confidence: of the target samples after the window, or the attack success rate, or the accuracy lost; ``None``
            if there is nothing to judge, or the model's answers are no numbers.
        weight: mean effective weight of the malicious updates, if the rule can tell.
        flagged: the share of its attacked rounds in which each check flagged the attackers.
        red_flags: the run's own.
        reason: why there is nothing to judge, or why the run failed.
        unjudged: whether nothing can be told with this seed, whatever the attack.
    """

    arm: Arm
    number: int
    key: str
    cell: Cell | None
    confidence: float | None = None
    weight: float | None = None
    flagged: Mapping[str, float] | None = None
    red_flags: tuple[str, ...] = ()
    reason: str = ""
    unjudged: bool = False


class Federations:
    """The audit's directory as that of a sweep.

    Args:
        folder: where it is.
        subject: the experiment.
        runtime: where and how runs are made.
        observer: called as they go on.
    """

    def __init__(self, folder: Path, subject: Subject, runtime: SweepRuntime, observer: Callback | None) -> None:
        self._subject, self._runtime, self._observer = subject, runtime, observer
        self.directory = SweepDirectory(folder)
        self._cells: dict[str, SweepCell] = {}
        self._grid = Grid(name="audit", about="the whole federations of an audit", experiment={})

    def begin(self) -> None:
        """Make the directory.

        Raises:
            RunError: it has something else in it.
        """
        self.run([])

    def experiment(self, arm: Arm, purpose: Purpose, number: int) -> Experiment:
        """Return the federation that an arm attacks with a seed."""
        seeded = self._subject.with_seed(purpose, number)
        return with_attack(seeded, arm.made(seeded))

    def played(self, arms: Sequence[Arm], purpose: Purpose, numbers: Sequence[int]) -> list[Played]:
        """Play each arm with each seed of this purpose, as far as that has not been done; return what became of them.

        Raises:
            FedlensError: the directory cannot be used.
        """
        wanted = [(arm, number) for number in numbers for arm in arms]
        cells = [self._cell(arm, purpose, number) for arm, number in wanted]
        sweep = self.run(cells)
        failed = {cell.key: reason for cell, reason in sweep.failures}
        unjudged = {cell.key: error.reason for cell, error in sweep.unjudged}
        return [self._seen(*pair, cell, failed, unjudged) for pair, cell in zip(wanted, cells, strict=True)]

    def run(self, cells: Sequence[SweepCell]) -> Sweep:
        """Run the cells that are not done; the table of rounds has those of before, too."""
        self._cells |= {cell.key: cell for cell in cells}
        return run_cells(
            self._grid,
            cells,
            self.directory.path,
            runtime=self._runtime,
            observer=self._observer,
            tabulate=lambda _: self._table(self._cells.values()),
        )

    def _cell(self, arm: Arm, purpose: Purpose, number: int) -> SweepCell:
        experiment = self.experiment(arm, purpose, number)
        values: dict[str, Any] = {"attack": {"name": arm.attack, **arm.options}, "seed": experiment.seed}
        return SweepCell(values, experiment)

    def _table(self, cells: Iterable[SweepCell]) -> pd.DataFrame:
        runs = []
        for cell in cells:
            try:
                if (run := self.directory.run(cell)) is not None:
                    runs.append((cell, run))
            except DamagedRunError:  # reported where it is read
                continue
        return rounds_of(runs)

    def _seen(
        self, arm: Arm, number: int, cell: SweepCell, failed: Mapping[str, str], unjudged: Mapping[str, str]
    ) -> Played:
        if cell.key in unjudged:
            return Played(arm, number, cell.key, None, reason=unjudged[cell.key], unjudged=True)
        run = None if cell.key in failed else self.directory.run(cell)
        if run is None:
            return Played(arm, number, cell.key, None, reason=failed.get(cell.key, "not complete"))
        require_present_code(self.directory.path_of(cell), run.experiment)
        return seen(run, arm, number, cell.key)


def seen(run: Run, arm: Arm, number: int, key: str) -> Played:
    """Return what became of an arm, as its run's records have it."""
    inside = [record for record in run.records if in_window(run.experiment, record.round)]
    if not inside or inside[-1].twin is None or not isfinite(error_of(inside[-1].twin.quality)):
        reason = "without a benign twin whose model is finite, nothing can be told"
        return Played(arm, number, key, None, reason=reason, unjudged=True)
    last, twin = inside[-1], inside[-1].twin
    placebo = last.placebo or twin
    found = Cell(
        finalist=arm.name,
        seed=number,
        success=met(last) and mostly_met(run.experiment, inside),
        placebo=met(placebo),
        cost=error_of(last.quality) - error_of(twin.quality),
        applied=taken(inside) is not False,
        unseen=unseen(inside),
    )
    weights = [record.malicious_weight for record in inside if record.attackers]
    known = [weight for weight in weights if weight is not None]
    return Played(
        arm,
        number,
        key,
        found,
        confidence=reached(last, twin),
        weight=sum(known) / len(known) if known and len(known) == len(weights) else None,
        flagged={name: share for name, (share, _) in flagged_shares(inside).items()},
        red_flags=tuple(run.flags),
    )


def require_present_code(path: Path, experiment: Experiment) -> None:
    """Refuse a run that other code has made than there is now, as where a rule was edited while the audit went on.

    Raises:
        RunError: it was.
    """
    made_by = read_json(path / DIGESTS).get("code")
    if made_by not in {None, digest(experiment.code_behind)}:
        raise RunError(
            f"{path}: the code has changed since this run was made; put it back, or begin another audit with --out"
        )


def reached(last: RoundRecord, twin: ControlRecord) -> float | None:
    """Return the confidence in the target classes, the attack success rate, or what accuracy was lost.

    A model whose answers are no numbers has no confidence: ``None``.
    """
    if last.target is not None:
        return None if isnan(last.target.mean_confidence) else last.target.mean_confidence
    if last.backdoor is not None:
        return last.backdoor.rate
    return error_of(last.quality) - error_of(twin.quality)


def unseen(records: Sequence[RoundRecord]) -> bool | None:
    """Tell whether no check flagged attackers more often than honest clients; ``None`` without a check."""
    shares = flagged_shares(records)
    return all(malicious <= honest for malicious, honest in shares.values()) if shares else None


def flagged_shares(records: Sequence[RoundRecord]) -> dict[str, tuple[float, float]]:
    """Return in what share of their updates each check flagged attackers, and honest clients."""
    counted: dict[str, list[list[bool]]] = {}
    for record in records:
        attacking = {client.client for client in record.attackers}
        for client in record.clients:
            for name, check in client.checks.items():
                pair = counted.setdefault(name, [[], []])
                pair[client.client not in attacking].append(check.flagged)
    return {
        name: (sum(malicious) / len(malicious), sum(honest) / len(honest) if honest else 0.0)
        for name, (malicious, honest) in counted.items()
        if malicious
    }
