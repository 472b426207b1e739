"""An audit as it is called from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedlens.core.engine_name import EngineName
from fedlens.experiment.experiment import Experiment
from fedlens.goals.goal import Goal
from fedlens.simulation.callback import Callback
from fedlens.studies.audit import audit as auditing
from fedlens.studies.audit.described import described
from fedlens.studies.audit.result import AuditResult, load_audit
from fedlens.studies.audit.verdict import ACCURACY_COST, RATE, Effort
from fedlens.sweeps.sweep_runtime import On, SweepRuntime


def audit(
    experiment: Experiment | str | Path,
    out: str | Path | None = None,
    *,
    effort: Effort = "standard",
    accuracy_cost: float = ACCURACY_COST,
    rate: float = RATE,
    goal: Goal | Mapping[str, Any] | str | None = None,
    attackers: int | None = None,
    jobs: int | None = None,
    engine: EngineName = "auto",
    device: str = "cpu",
    data_dir: Path | None = None,
    on: On = "local",
    address: str | None = None,
    mixed_cpus: bool = False,
    client_timeout: float | None = None,
    observer: Callback | None = None,
    tell: Callable[[str], None] | None = None,
) -> AuditResult:
    """Find out whether a server holds against all attacks that suit it, or how it is broken.

    The experiment's own attack is not heeded. The same call goes on where an earlier one was interrupted, or with more
    effort.

    Args:
        experiment: an experiment, a preset's name, a file, or a run's directory.
        out: the audit's directory, new or of an earlier start; by default ``audits/NAME``.
        effort: ``quick`` tries least and never says that a server holds, ``standard`` more, ``thorough`` most. No seed
            of the verdict is begun after ten minutes, an hour or eight hours.
        accuracy_cost: the most that a success may cost in accuracy, as a fraction; to damage the model, anything.
        rate: the rate of success that is to be refuted, as a fraction.
        goal: what the attackers want; by default what the experiment says, or else ``targets``.
        attackers: how many clients attack; by default those that the experiment says, or else one.
        jobs: federations played at once, each by a process of its own; by default one a core.
        engine: the engine of each run.
        device: where PyTorch computes.
        data_dir: where the user keeps data files.
        on: ``local`` for this machine, ``ray`` for the machines of a Ray cluster.
        address: of that cluster; see `fedlens.cluster.connection.connected`.
        mixed_cpus: whether its processors may differ.
        client_timeout: seconds that a client, a check, the rule or other custom code may take.
        observer: called as federations go on.
        tell: called with what is being done, in a few words; for example ``print``.

    Returns:
        What was found, as `load_audit` reads it.

    Raises:
        FedlensError: the experiment cannot be audited, or the directory cannot be used.

    Example:
        >>> import fedlens
        >>> plan = {"data": "digits", "clients": 4, "rounds": 2, "local": {"batch_size": 20}}
        >>> experiment = fedlens.Experiment(**plan, aggregation="median")
        >>> audit = fedlens.audit(experiment, "audits/median", effort="quick", tell=print)  # doctest: +SKIP
        >>> audit.sentence, audit.success, audit.worst  # doctest: +SKIP
    """
    made = auditing.audit(
        described(experiment, goal=goal, attackers=attackers),
        out,
        effort=effort,
        accuracy_cost=accuracy_cost,
        rate=rate,
        runtime=SweepRuntime(jobs, engine, device, data_dir, on, address, mixed_cpus, client_timeout),
        observer=observer,
        tell=tell or (lambda _: None),
    )
    return load_audit(made.path)
