"""Reading a run: its experiment, its rounds as tidy tables, its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any

from fedlens.analysis import stealth
from fedlens.analysis.defence import rejection_precision, rejection_recall
from fedlens.analysis.flags import flags
from fedlens.analysis.goal_summary import goal_misfit
from fedlens.analysis.window import lifespans
from fedlens.core.errors import DamagedRunError, RunError
from fedlens.core.files import checksum
from fedlens.core.recorded import Recorded
from fedlens.core.regular import ANEW, regular
from fedlens.core.suggest import another, likeliest_path
from fedlens.experiment.experiment import Experiment
from fedlens.runs.consistency import misfits, summary_misfit
from fedlens.runs.loading import load_experiment, load_recorded
from fedlens.runs.metadata import TargetRecord
from fedlens.runs.reading import load_tables, read_rounds, read_summary, read_target
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import counts, in_window
from fedlens.runs.run_summary import Summary
from fedlens.runs.unjudged import read_unjudged
from fedlens.runs.weights import Which, weights_of

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


READ = ("experiment.yaml", "rounds.jsonl", "target.json")
"""Files of a run that its tables are made from."""
CHANGED = "has changed since the run was complete"


@dataclass(frozen=True)
class Run:
    """A run that has been made, or is being made.

    Attributes:
        path: its directory.
        experiment: what was run; components that are not fedlens' own have only their recorded names and values
            (`fedlens.core.recorded`), unless the run was just made.
        records: of the rounds.
        target: the target samples, and the names of all classes.
        summary: the result in a few numbers; ``None`` while rounds are missing.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.rounds[["round", "attacker", "success"]]
           round  attacker  success
        0      1      True     True
        1      2      True     True
        >>> run.flags[0]
        'no control: nobody knows whether the clean model gets the target right'
    """

    path: Path
    experiment: Experiment
    records: list[RoundRecord]
    target: TargetRecord
    summary: Summary | None

    @property
    def regression(self) -> bool:
        """True if labels are quantities, so that models have errors in place of accuracies."""
        return not self.target.classes

    def with_code(self, trust: bool = False) -> Run:
        """Import the classes of the run's components, and return the run with them.

        Raises:
            ConfigError: somebody else began it, it names modules, and there is no `trust`; or one cannot be imported.
        """
        if not any(isinstance(component, Recorded) for _, component in self.experiment.components()):
            return self
        return replace(self, experiment=load_experiment(self.path, trust=trust))

    @cached_property
    def flags(self) -> list[str]:
        """The reasons to doubt the result."""
        return flags(self.experiment, self.records)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """A row a round; confidences are means over the r samples, ``control_`` columns are the benign twin's.

        Where the federation without the malicious clients was run, its columns begin with ``placebo_``. ``counts``
        tells the rounds with a success of the attack's own, which the placebo does not have as well and before or at
        which a malicious update was taken; runs from before there were placebos lack it.

        ``window`` tells the rounds that the attack is judged by (`fedlens.analysis.window`). ``malicious_share`` is
        the weight that the rule gave all malicious clients' updates, missing where none was chosen for the round or
        the rule cannot tell. Of several attackers, ``attack_`` columns are the first one's. ``malicious_deviation``,
        ``distance_gap`` and ``wasserstein``, beside a benign client's, are those of `fedlens.analysis.stealth`. Where
        rounds were played after the window, every row has the run's `lifespans`, too. The accuracy in each class has
        a column as in ``accuracy.sneaker``, missing for a class without test samples. ``accuracy_drop`` is how far an
        attacked model's accuracy is below the twin's. Of a regression there are ``mae``, ``rmse``, ``nmae``,
        ``malicious_mae``, and how far ``mae`` is above the twin's, ``mae_rise``. For a goal other than target samples,
        ``asr`` is the attack success rate, ``asr_twin`` the benign twin's on the same inputs, and ``asr.part0`` that
        with a part of the trigger alone; confidences are missing. What an attack achieved is missing where the model's
        answer for a target is no number.
        """
        import pandas as pd

        lives, classes = lifespans(self.experiment, self.records), self.target.classes
        rows = (_row(self.experiment, self.records[:count], classes) for count in range(1, len(self.records) + 1))
        return pd.DataFrame([row | lives for row in rows])

    @cached_property
    def targets(self) -> pd.DataFrame:
        """A row for each round and each of the attacker's samples."""
        import pandas as pd

        rows = []
        for record in self.records:
            answers = {"": record.target, "control_": record.twin.target if record.twin else None}
            answers |= {"placebo_": record.placebo.target} if record.placebo else {}
            for sample, index in enumerate(self.target.index):
                row: dict[str, Any] = {"round": record.round, "sample": sample, "index": index}
                row |= {"true": self.target.true[sample], "target": self.target.target[sample]}
                for prefix, answer in answers.items():
                    row[f"{prefix}confidence"] = answer.confidence[sample] if answer else None
                    row[f"{prefix}true_confidence"] = answer.true_confidence[sample] if answer else None
                    row[f"{prefix}predicted"] = answer.predicted[sample] if answer else None
                rows.append(row)
        return pd.DataFrame(rows)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """A row for each round and class: the global model's accuracy in it, and the benign twin's."""
        import pandas as pd

        rows = []
        for record in self.records:
            for number, name in enumerate(self.target.classes):
                twin_accuracy = record.twin.quality.per_class[number] if record.twin else None
                accuracy = record.quality.per_class[number]
                rows.append(
                    {"round": record.round, "class": name, "accuracy": accuracy, "control_accuracy": twin_accuracy}
                )
        return pd.DataFrame(rows)

    @cached_property
    def checks(self) -> pd.DataFrame:
        """A row for each round, check and client that it saw: score, decision, and whether the client was guilty.

        Guilty is a malicious client in a round in which it attacked.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {"round": record.round, "check": name, "client": client.client, "score": client.checks[name].score}
                | {"flagged": client.checks[name].flagged, "guilty": client.attacked}
                for record in self.records
                for name in self.experiment.judges
                for client in record.clients
                if name in client.checks
            ],
            columns=["round", "check", "client", "score", "flagged", "guilty"],
        )

    def tables(self, round_: int) -> dict[str, Tensor]:
        """Load what is kept of a round beside its record, by ``check.table`` or ``recording.table``.

        Each has a row for each client of the cohort whose update was received.

        Raises:
            DamagedRunError: the file is damaged.
        """
        return load_tables(self.path, round_)

    def weights(self, which: Which = "final") -> Tensor:
        """Return global weights, shape ``[d]``: ``final``, of the best test accuracy, or after a round.

        ``last`` is the last round recorded so far. Other rounds can be had by their numbers where the run was told to
        keep their weights (``--keep-weights``).

        Raises:
            DamagedRunError: the file is missing or damaged.
            RunError: there is no such round, or its weights were not kept.
        """
        return weights_of(self.path, which)


def load_run(path: str | Path) -> Run:
    """Load the run in the directory `path`, finished or not.

    Raises:
        DamagedRunError: its files are damaged.
        RunError: there is no run, or none that can be looked at by itself.

    Example:
        >>> import fedlens
        >>> run = fedlens.load_run("runs/digits")
        >>> run.experiment.clients, len(run.records)
        (4, 2)
    """
    path = Path(path)
    if not (path / "experiment.yaml").is_file():
        runs = (file.parent for folder in (path.parent, Path("runs")) for file in folder.glob("*/experiment.yaml"))
        meant = likeliest_path(path, runs)
        remedy = f"did you mean {meant}?" if meant else "make one, e.g. fedlens run quickstart"
        raise RunError(f"{path}: no run is there (it has no experiment.yaml); {remedy}")
    try:
        summary = sound_summary(path)  # which tells whether the experiment is as it was
        return read_run(path, load_recorded(path), summary)
    except DamagedRunError as error:
        if str(error).startswith(str(path / "experiment.yaml")):  # from which it could be made anew
            if str(error).endswith(CHANGED):
                anew = join(["fedlens", "run", str(path), "--out", str(another(path))])
                raise DamagedRunError(f"{error}; undo the change, or run what it says now: {anew}") from error
            raise
        said = str(error).removesuffix(f"; {ANEW}")
        raise DamagedRunError(f"{said}; make it anew: fedlens run {path} --out {another(path)}") from error


def read_run(path: Path, experiment: Experiment, summary: Summary | None) -> Run:
    """Read the run of this experiment in the directory `path`, whose summary has been read.

    Raises:
        DamagedRunError: its files are damaged, or contradict each other.
        RunError: there is none that can be looked at by itself.
    """
    records = read_rounds(path, experiment.malicious)
    if not records:
        if (unjudged := read_unjudged(path)) is not None:
            raise RunError(f"{path}: {unjudged[0]}")
        raise RunError(f"{path}: this run has no rounds yet; go on with it: fedlens run --resume --out {path}")
    if not (path / "target.json").exists():
        kind = "placebo" if experiment.absent else "benign twin"
        raise RunError(f"{path}: this is a {kind}, without a target; it is shown beside the attacked runs")
    target = read_target(path)
    for row, wrong in misfits(experiment, records, target):
        raise DamagedRunError(f"{path / 'rounds.jsonl'}, line {row + 1}: damaged ({wrong}); {ANEW}")
    if summary is not None:
        wrong_there = summary_misfit(summary, records, target) or goal_misfit(experiment, records, summary)
        if wrong_there is not None:
            raise DamagedRunError(f"{path / 'summary.json'}: damaged ({wrong_there}); {ANEW}")
    return Run(path, experiment, records, target, summary)


def sound_summary(path: Path) -> Summary | None:
    """Read the summary of the run in the directory `path`; return ``None`` while rounds are missing.

    Raises:
        DamagedRunError: it cannot be read, or files that tables are made from are not as they were when it was written.
    """
    file = path / "summary.json"
    if not file.exists():
        return None
    summary = read_summary(path)
    try:
        checksums = summary.checksums
        for name in READ:
            there = (path / name).exists()
            if not there and name in checksums:  # a twin has no target
                raise DamagedRunError(f"{path / name}: is missing, though the run was complete")
            if there and checksum(regular(path / name)) != checksums[name]:
                raise DamagedRunError(f"{path / name}: {CHANGED}")
    except (OSError, KeyError) as error:
        raise DamagedRunError(f"{file}: damaged ({error}); {ANEW}") from error
    return summary


def _row(experiment: Experiment, records: Sequence[RoundRecord], classes: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the last of the rounds from the first one on."""
    record = records[-1]
    client = next(iter(record.malicious_clients), None)
    model, attack = (client.model, client.attack) if client is not None else (None, None)
    row: dict[str, Any] = {"round": record.round, "attacker": client is not None}
    row |= {"acted": bool(record.attackers), "malicious_clients": len(record.malicious_clients)}
    row["window"] = in_window(experiment, record.round)
    row |= _columns(record, classes)
    row |= {"malicious_accuracy": model and model.accuracy} if classes else {"malicious_mae": model and model.mae}
    row["malicious_loss"] = model and model.loss
    row["malicious_share"] = record.malicious_weight
    row |= {"rejected_precision": rejection_precision([record]), "rejected_recall": rejection_recall([record])}
    row["malicious_deviation"] = stealth.malicious_deviation(record)
    row["distance_gap"] = stealth.distance_gap(record)
    row["wasserstein"], row["benign_wasserstein"] = stealth.statistic(record, "wasserstein") or (None, None)
    sides = {"control_": record.twin} | ({"placebo_": record.placebo} if record.placebo else {})
    for prefix, side in sides.items():
        columns = _columns(side, classes)
        row |= {f"{prefix}{name}": value for name, value in columns.items()}
    if experiment.attack is not None and record.twin is not None:
        row |= _losses(record, record.twin)
    if experiment.goal is not None:
        row |= _goal_columns(record)
    if record.knows_placebos and (record.target is not None or record.goal_met is not None):
        row["counts"] = counts(experiment, records)
    if attack is None:
        return row
    logged = {"reason": attack.reason, "alpha": attack.alpha, **attack.log}
    return row | {f"attack_{name}": value for name, value in logged.items()}


def _losses(record: RoundRecord, twin: ControlRecord) -> dict[str, Any]:
    """Return how much less accurate than the benign twin a model is, or how much greater its error, if it is finite."""
    losing = {"": record.quality, "placebo_": record.placebo and record.placebo.quality}
    sides = {name: side for name, side in losing.items() if side}
    if twin.quality.accuracy is not None:
        return {f"{name}accuracy_drop": twin.quality.share - side.share for name, side in sides.items()}
    without = twin.quality.mae
    return {
        f"{name}mae_rise": None if side.mae is None or without is None else side.mae - without
        for name, side in sides.items()
    }


def _goal_columns(record: RoundRecord) -> dict[str, Any]:
    """Return the columns of a goal other than target samples."""
    columns: dict[str, Any] = {"success": record.goal_met}
    if record.placebo is not None:
        columns["placebo_success"] = record.placebo.goal_met
    if record.backdoor is None:
        return columns
    sides = {"": record, "control_": record.twin, "placebo_": record.placebo}
    rates = {f"{name}asr": side.backdoor.rate for name, side in sides.items() if side and side.backdoor}
    parts = {f"asr.part{part}": hits / record.backdoor.count for part, hits in enumerate(record.backdoor.parts)}
    return columns | rates | {"asr_twin": rates.get("control_asr")} | parts


def _columns(side: RoundRecord | ControlRecord | None, classes: Sequence[str]) -> dict[str, Any]:
    """Return the columns that a round and its controls have in common."""
    quality, target = (side.quality, side.target) if side else (None, None)
    columns: dict[str, Any] = {"accuracy": quality and quality.accuracy} if classes else {}
    columns["loss"] = quality and quality.loss
    columns |= quality.metrics if quality else {}
    accuracies = quality.per_class if quality else [None] * len(classes)
    columns |= {f"accuracy.{name}": accuracy for name, accuracy in zip(classes, accuracies, strict=True)}
    if target is not None and None in target.predicted:  # no answer is neither a success nor a failure
        target = None
    columns |= {"confidence": target and target.mean_confidence}
    columns |= {"true_confidence": target and target.mean_true_confidence}
    return columns | {"met": target and target.met, "success": target and target.success}
