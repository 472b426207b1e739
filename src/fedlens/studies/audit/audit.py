"""An audit, from an experiment to its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from fedlens.core.documents import dumps
from fedlens.core.errors import ConfigError, DamagedRunError, RunError, shortened
from fedlens.core.files import lock, write_atomically
from fedlens.core.numerics import BITS
from fedlens.core.parsing import dump_yaml
from fedlens.core.registry import name_of
from fedlens.core.suggest import another
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.regression import is_regression
from fedlens.runs.loading import load_experiment
from fedlens.runs.ownership import claim
from fedlens.runs.start import read_start
from fedlens.simulation.callback import Callback, callback_of
from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import VERSION, Arm, arms_for, digest
from fedlens.studies.audit.beginning import begun
from fedlens.studies.audit.bounds import Bound
from fedlens.studies.audit.budget import Plan, planned
from fedlens.studies.audit.doubts import Doubt, Findings, doubts
from fedlens.studies.audit.federations import Federations, Played
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.forked_tasks import INSPECTED, PACE
from fedlens.studies.audit.forks import forked_rounds
from fedlens.studies.audit.halving import Standing, entrants, finalists_of, halved
from fedlens.studies.audit.inspection import Inspected
from fedlens.studies.audit.judgement import Judgement, Verdict, nearly_broken
from fedlens.studies.audit.limits import compared, limits
from fedlens.studies.audit.noting import Noting
from fedlens.studies.audit.pace import sample
from fedlens.studies.audit.power import Planting, leak_test, planted
from fedlens.studies.audit.schedule import SCHEDULES, Schedule
from fedlens.studies.audit.screening import Ranked, Screening
from fedlens.studies.audit.subject import Subject
from fedlens.studies.audit.tried import Fork
from fedlens.studies.audit.trying import Trials, try_finalists
from fedlens.studies.audit.verdict import ACCURACY_COST, RATE, Effort, check_limits, judge
from fedlens.studies.audit.workers import Workers
from fedlens.sweeps.sweep_runtime import SweepRuntime

if TYPE_CHECKING:
    import pandas as pd

AUDIT, AUDITED, WORST = "audit.json", "audited.yaml", "worst.yaml"
WORDS, NAMES, PLAN = TypeAdapter(str), TypeAdapter(list[str]), TypeAdapter(Plan)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Audit:
    """An audit that has been made.

    Attributes:
        path: its directory.
        subject: what was audited.
        effort: how much was done.
        judgement: the verdict, and what it rests on.
        inspected: what the server is like without attack.
        ranked: every arm that was tried in forked rounds, the best first.
        standings: those in the search's whole federations, the best first.
        finalists: those that the verdict is about.
        trials: what became of them.
        plantings: the leak test.
        omniscient: forked rounds attacked by who sees all updates.
        adaptive: the same rounds, attacked by the adaptive arm that did best, which sees its own updates alone.
        doubts: red flags.
        plan: how much of the effort's search was done.
        suited: how many arms suit the experiment.
        unfit: arms that do not, and why.
        seconds: what this call took.
        bounds: what any attack could make of single rounds at most, beside what was found; none where the rule's reach
            is unknown.

    Example:
        >>> from fedlens import Experiment
        >>> from fedlens.studies.audit.audit import audit
        >>> plan = {"data": "digits", "clients": 4, "rounds": 2, "local": {"batch_size": 20}}
        >>> audit(Experiment(**plan), "audits/digits", effort="quick").verdict  # doctest: +SKIP
        'broken'
    """

    path: Path
    subject: Subject
    effort: Effort
    judgement: Judgement
    inspected: Inspected
    ranked: Sequence[Ranked]
    standings: Sequence[Standing]
    finalists: Sequence[Arm]
    trials: Trials
    plantings: Sequence[Planting]
    omniscient: Sequence[ForkedRound]
    adaptive: Sequence[ForkedRound]
    doubts: Sequence[Doubt]
    plan: Plan
    suited: int
    unfit: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    bounds: Sequence[Bound] = ()

    @property
    def verdict(self) -> Verdict:
        """Broken, holds, undecided or no verdict."""
        return self.judgement.verdict

    @property
    def worst(self) -> Experiment | None:
        """The federation in which a finalist reached most, ready to run; ``None`` before the first."""
        return worst_of(self)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each federation of the verdict."""
        import pandas as pd

        return pd.DataFrame([row_of(one, self.subject.largest_cost) for one in self.trials.played])

    @property
    def _search(self) -> dict[str, int]:
        """How much was searched; its minutes are left out, as nothing depends on them but when the verdict ends."""
        return {name: number for name, number in asdict(self.plan.schedule).items() if name != "minutes"}

    def plain(self) -> dict[str, Any]:
        """Return what ``audit.json`` holds."""
        arms = [
            {"arm": one.arm.name, **{k: v for k, v in asdict(one).items() if k not in {"arm", "outcomes"}}}
            for one in self.ranked
        ]
        return {
            "version": VERSION,
            "bits": BITS,
            "arms": digest([one.arm for one in self.ranked]),
            "effort": self.effort,
            "plan": {"share": self.plan.share, **self._search},
            "suited": self.suited,
            "experiment": self.subject.experiment.identity(),
            "subject": about(self.subject),
            "accuracy_cost": self.subject.accuracy_cost,
            "rate": self.judgement.asked,
            "verdict": self.judgement.verdict,
            "sentence": self.judgement.sentence,
            "judgement": asdict(self.judgement),
            "flags": [asdict(doubt) for doubt in self.doubts],
            "inspected": asdict(self.inspected),
            "tried": arms,
            "federations": [
                {"arm": one.arm.name, "seeds": len(one.played), "successes": one.successes, "utility": one.utility}
                for one in self.standings
            ],
            "finalists": [arm.name for arm in self.finalists],
            "verdict_cells": [row_of(one, self.subject.largest_cost) for one in self.trials.played],
            "worst": None if (worst := worst_played(self)) is None else row_of(worst, self.subject.largest_cost),
            "leaks": [asdict(one) | {"broken": one.broken} for one in self.plantings],
            "omniscient": [one_round(one, self.subject.largest_cost) for one in self.omniscient],
            "adaptive": [one_round(one, self.subject.largest_cost) for one in self.adaptive],
            "reach": [asdict(one) for one in self.bounds],
            "out_of_time": self.trials.out_of_time,
            "unfit": dict(self.unfit),
        }


def about(subject: Subject) -> dict[str, Any]:
    """Return in words and numbers what was audited."""
    experiment = subject.experiment
    return {
        "data": name_of("data", experiment.data),
        "model": name_of("model", experiment.model),
        "server": str(experiment.server),
        "checks": list(experiment.detectors),
        "goal": "targets" if experiment.goal is None else name_of("goal", experiment.goal),
        "clients": experiment.clients,
        "attackers": len(experiment.team),
        "rounds": experiment.rounds,
        "cohort": experiment.cohort_size,
        "asks": subject.asks,
        "regression": is_regression(experiment.data),
    }


def one_round(forked: ForkedRound, largest_cost: float) -> dict[str, Any]:
    """Return a forked round as JSON has it, with what it counts for and without its time."""
    return asdict(forked) | {"seconds": None, "success": forked.succeeds(largest_cost)}


def row_of(played: Played, largest_cost: float) -> dict[str, Any]:
    """Return a federation of the verdict as a row of a table."""
    cell = played.cell
    return {
        "attack": played.arm.name,
        "number": played.number,
        "counts": None if cell is None else cell.counts(largest_cost),
        "success": None if cell is None else cell.success,
        "placebo": None if cell is None else cell.placebo,
        "cost": None if cell is None else cell.cost,
        "reached": played.confidence,
        "effective_weight": played.weight,
        "unseen": None if cell is None else cell.unseen,
        "flagged": dict(played.flagged or {}),
        "reason": played.reason,
        "run": f"cells/{played.key}",
    }


def worst_played(audit: Audit) -> Played | None:
    """Return the federation in which a finalist reached most, for the least cost; ``None`` before the first."""
    limit = audit.subject.largest_cost
    found = [
        ((one.cell.counts(limit), one.confidence, -one.cell.cost), one)
        for one in audit.trials.played
        if one.cell is not None and one.confidence is not None
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def worst_of(audit: Audit) -> Experiment | None:
    """Return the experiment of that federation."""
    if (worst := worst_played(audit)) is None:
        return None
    federations = Federations(audit.path, audit.subject, SweepRuntime(), None)
    return federations.experiment(worst.arm, "verdict", worst.number)


class Auditing:
    """An audit as it is made; see `audit`.

    Args:
        folder: the directory.
        subject: what is audited.
        effort: how much is done.
        rate: the rate of success to be refuted.
        minutes: that all starts may take together; ``None`` for the effort's.
        share: of the search; ``None`` for what fits into these.
        runtime: where and how.
        observer: called as federations go on.
        tell: is called with what is being done.
        step: is called with every single round that was attacked.
    """

    def __init__(
        self,
        folder: Path,
        subject: Subject,
        *,
        effort: Effort,
        rate: float,
        minutes: float | None,
        share: float | None,
        runtime: SweepRuntime,
        observer: Callback | None,
        tell: Tell,
        step: Tell,
    ) -> None:
        self.subject, self.effort, self.rate, self.tell, self.step = subject, effort, rate, tell, step
        self.schedule: Schedule = SCHEDULES[effort]
        self.seconds_allowed = 60 * (self.schedule.minutes if minutes is None else minutes)
        self.share = share
        noting = Noting(callback_of(observer), lambda cell, end: self.ledger.add("cell", cell, WORDS, end))
        self.federations = Federations(folder, subject, runtime, noting)
        self.federations.begin()
        self.folder, self.runtime = folder, runtime
        self._begun = perf_counter()

    @property
    def _here(self) -> Runtime:
        """Where the data are read, and the rest is as in the workers."""
        of = self.runtime
        return Runtime(of.engine, None, of.device, of.data_dir, None, False, of.client_timeout)

    def made(self) -> Audit:
        """Make the audit, or what is missing of it.

        Raises:
            FedlensError: it cannot be made.
        """
        alone = lock(self.folder, "audit", ".lock-audit")
        try:
            self.ledger = begun(self.folder, self.subject, self._here)
            return self._made()
        finally:
            alone.release()

    def _made(self) -> Audit:
        fitting, unfit = arms_for(self.subject.experiment)
        if not fitting:
            raise ConfigError("attack: no attack suits this experiment; e.g. -o goal=damage")
        suited = [arm for arm in fitting if arm.window == "every round"]
        memory = max(arm.made(self.subject.experiment).memory for arm in fitting)  # finalists of before are any of them
        workers = Workers(self.subject, self.folder, self.runtime, memory=max(memory, 1))
        screening = Screening(self.subject, self.ledger, workers, tell=self.step)
        with workers:
            self.tell("the server without attack")
            number = screening.seeds(1)[0]
            plan = self.ledger.once("plan", self.effort, PLAN, lambda: self._planned(workers, number, suited))
            if self.share not in (None, plan.share):
                remedy = f"leave it out, or choose another --out than {self.folder}"
                raise ConfigError(f"share: a search of {plan.share:g} was begun there, not of {self.share:g}; {remedy}")
            self.schedule = plan.schedule
            arms = suited[: self.schedule.arms]
            inspected = self.ledger.once(
                "inspected", "server", INSPECTED, lambda: INSPECTED.validate_python(workers.answer("look", number))
            )
            singles = forked_rounds(self.subject.experiment.rounds)
            known = limits(screening, workers, self.ledger, rounds=singles, seeds=self.schedule.seeds)
            self.tell(f"{len(arms)} attacks on single rounds")
            ranked = screening.ranked(arms, self.schedule)
            numbers = screening.seeds(self.schedule.trials)
        able = [one.arm for one in ranked if not one.error]
        if not able:
            raise RunError(f"every attack failed, {ranked[0].arm.name} by: {ranked[0].error}; the same command goes on")
        going = entrants(able, self.schedule.federations)
        standings = halved(going, self.federations, self.subject, self.schedule, numbers=numbers, tell=self.tell)
        if not any(played.cell for one in standings for played in one.played):
            failed = standings[0].played[0]
            raise RunError(f"every attack failed, {failed.arm.name} by: {failed.reason}; the same command tries again")
        finalists = self._finalists(standings, fitting)
        trials = self._trials(finalists, plan)
        self.tell("planted leaks, and sight of all updates")
        with workers:
            plantings, omniscient, adaptive = self._power(screening, finalists, ranked)
        seeing = [all_seeing(one.arm) for one in ranked if one.arm.adaptive]
        bounds = compared(known, self.ledger, [*(one.arm for one in ranked), *seeing])
        judgement = self._judged(finalists, trials, plantings)
        found = Findings(
            self.subject, inspected, judgement, standings, trials.played, plantings, adaptive, omniscient, bounds
        )
        return Audit(
            path=self.folder,
            subject=self.subject,
            effort=self.effort,
            judgement=judgement,
            inspected=inspected,
            ranked=ranked,
            standings=standings,
            finalists=finalists,
            trials=trials,
            plantings=plantings,
            omniscient=omniscient,
            adaptive=adaptive,
            doubts=doubts(found),
            plan=plan,
            suited=len(suited),
            unfit=unfit,
            seconds=perf_counter() - self._begun,
            bounds=bounds,
        )

    def _planned(self, workers: Workers, number: int, arms: Sequence[Arm]) -> Plan:
        """Measure the pace, and return how much of the search fits into half of the time."""
        given = {"arms": [asdict(arm) for arm in sample(arms)]}
        pace = PACE.validate_python(workers.answer("measure", number, given))
        left = self.seconds_allowed / 2 - self.ledger.seconds
        experiment, jobs = self.subject.experiment, workers.jobs
        return planned(pace, self.schedule, experiment, arms, jobs=jobs, seconds=left, share=self.share)[0]

    def _finalists(self, standings: Sequence[Standing], fitting: Sequence[Arm]) -> list[Arm]:
        """Return the finalists, after those of an audit of less effort, which stay."""
        chosen = [arm.name for arm in finalists_of(standings, self.schedule.finalists)]
        self.ledger.once("finalists", self.effort, NAMES, lambda: chosen)
        every = [self.ledger.get("finalists", effort, NAMES) or [] for effort in self.ledger.keys("finalists")]
        by_name = {arm.name: arm for arm in fitting}
        names = list(dict.fromkeys(name for names in every for name in names))
        if unknown := [name for name in names if name not in by_name]:
            raise DamagedRunError(
                f"{self.ledger.path}: there is no attack {shortened(unknown[0])} for this experiment, though it was a "
                f"finalist; choose another --out, e.g. --out {another(self.folder)}"
            )
        return [by_name[name] for name in names]

    def _trials(self, finalists: Sequence[Arm], plan: Plan) -> Trials:
        self.tell(f"the verdict's seeds, with {' and '.join(arm.name for arm in finalists)}")
        last = self.ledger.seconds

        def in_time(first: int, so_far: Trials) -> bool:
            """Whether the seeds from this one on may be begun: if they were, or if they and the leak test fit.

            What may be shown to be broken needs no leak test.
            """
            nonlocal last
            now = self.ledger.seconds
            batch, last = now - last, now
            if not self.ledger.has("seeds", f"from {first}"):
                then = 0 if first and nearly_broken(self._judged(finalists, so_far).finalists) else plan.leaks
                if first and now + batch + then > self.seconds_allowed:
                    return False
                self.ledger.add("seeds", f"from {first}", WORDS, self.effort)
            return True

        return try_finalists(
            finalists, self.federations, self.schedule.verdict, lambda trials: self._judged(finalists, trials), in_time
        )

    def _judged(
        self, finalists: Sequence[Arm], trials: Trials, plantings: Sequence[Planting] | None = None
    ) -> Judgement:
        return judge(
            trials.cells,
            [arm.name for arm in finalists],
            rate=self.rate,
            accuracy_cost=self.subject.largest_cost,
            leak_test=leak_test(plantings) if plantings else None,  # where all rounds are lost, none is planted
            effort=self.effort,
            skipped=trials.skipped,
        )

    def _power(
        self, screening: Screening, finalists: Sequence[Arm], ranked: Sequence[Ranked]
    ) -> tuple[list[Planting], list[ForkedRound], list[ForkedRound]]:
        """Return the leak test, what an omniscient attacker does, and what the adaptive one does in the same rounds."""
        rounds = forked_rounds(self.subject.experiment.rounds)
        adapting = [one.arm for one in ranked if one.arm.adaptive and not one.error][:1]
        strongest = [one.arm for one in ranked if not one.arm.adaptive and not one.error][:2]
        arms = list({arm.name: arm for arm in [*adapting, *finalists, *strongest]}.values())
        plantings = planted(arms, screening, rounds=rounds, seeds=self.schedule.seeds, tell=self.tell)
        if not adapting:
            return plantings, [], []
        places = [(number, round_) for number in screening.seeds(self.schedule.seeds) for round_ in rounds]
        forks = [[Fork(*place, arm) for place in places] for arm in (all_seeing(adapting[0]), adapting[0])]
        screening.attack([fork for pair in zip(*forks, strict=True) for fork in pair])
        omniscient, adaptive = (
            [one.forked for one in map(screening.tried, each) if one is not None and one.forked is not None]
            for each in forks
        )
        return plantings, omniscient, adaptive


def all_seeing(arm: Arm) -> Arm:
    """Return an adaptive arm with sight of all updates."""
    return Arm(arm.attack, {**arm.options, "sees": "all"})


def audit(
    experiment: Experiment | str | Path,
    out: str | Path | None = None,
    *,
    effort: Effort = "standard",
    accuracy_cost: float = ACCURACY_COST,
    rate: float = RATE,
    minutes: float | None = None,
    share: float | None = None,
    runtime: SweepRuntime | None = None,
    observer: Callback | None = None,
    tell: Tell = lambda _: None,
    step: Tell = lambda _: None,
) -> Audit:
    """Find out whether an experiment's server holds against a team of attackers, or how it is broken.

    The experiment's own attack is not heeded; its goal and its attackers are, by default target samples and one client.
    The same call goes on where an earlier one was interrupted, or with more effort or minutes.

    Args:
        experiment: an experiment, a preset's name, a file, or a run's directory.
        out: the audit's directory, new or of an earlier start; by default ``audits/NAME``.
        effort: ``quick`` takes minutes and never says that anything holds, ``standard`` an hour, ``thorough`` more.
        accuracy_cost: what a success may cost in accuracy, as a fraction; to damage the model, anything.
        rate: the rate of success that is to be refuted.
        minutes: that it may take with all that earlier calls took; by default the effort's 10, 60 or 480. How much is
            searched is decided by the first call.
        share: how much of the effort's search is done, whatever it takes, as a fraction; by default what fits into half
            of the time, of which ``audit.json`` says how much it was.
        runtime: where and how federations are played.
        observer: called as they go on.
        tell: is called with what is being done, in a few words.
        step: is called with every single round that was attacked.

    Raises:
        FedlensError: the experiment cannot be audited, or the directory cannot be used.
    """
    if effort not in list(SCHEDULES):
        raise ConfigError(f"effort: {effort!r} is none of {', '.join(SCHEDULES)}; e.g. effort=standard")
    check_limits(rate, accuracy_cost)
    check_time(minutes, share)
    described = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    folder = Path("audits") / described.name if out is None else Path(out)
    subject = Subject.of(described, accuracy_cost)
    made = Auditing(
        folder,
        subject,
        effort=effort,
        rate=rate,
        minutes=minutes,
        share=share,
        runtime=runtime or SweepRuntime(),
        observer=observer,
        tell=tell,
        step=step,
    ).made()
    write(made)
    return made


def check_time(minutes: float | None, share: float | None) -> None:
    """Refuse what is no time, or no share of a search.

    Raises:
        ConfigError: so it is.
    """
    if minutes is not None and not minutes >= 0:
        raise ConfigError(f"minutes: a number from 0 is needed, not {minutes}; e.g. minutes=30")
    if share is not None and not 0 < share <= 1:
        raise ConfigError(f"share: a number above 0 and at most 1 is needed, not {share}; e.g. share=0.5")


def write(made: Audit) -> None:
    """Write ``audit.json``, ``audited.yaml`` and ``worst.yaml``."""
    write_atomically(made.path / AUDIT, dumps(made.plain(), indent=1).encode() + b"\n")
    described = {AUDITED: made.subject.experiment} | ({} if (worst := made.worst) is None else {WORST: worst})
    for name, experiment in described.items():
        content = dump_yaml(experiment.describe()).encode()
        write_atomically(made.path / name, content)
        if read_start(made.path) is not None:  # which the first federation begins
            claim(made.path, content)
