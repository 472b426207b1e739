"""Runs compared by options: of each group of runs, what a metric is and how sure that is.

A group's runs differ in seed and target, and its interval is over these (`fedlens.analysis.intervals`). What makes it
doubtful goes with the result.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fedlens.analysis.choosing import At, canonical, chosen_fields, require_metrics
from fedlens.analysis.collect import PATH, Collection
from fedlens.analysis.confounding import confounded
from fedlens.analysis.flags import common_by_group
from fedlens.analysis.group import CONTROL, OWN, Group
from fedlens.analysis.measured import PAIRED, Measured, Side, measured
from fedlens.analysis.missing import Unjudged
from fedlens.analysis.success import TITLES, attacked, of_attacks
from fedlens.analysis.unjudged import ANSWERS, by_group, silent_flags, unjudged_flags
from fedlens.core.errors import ConfigError
from fedlens.core.suggest import likeliest
from fedlens.experiment.flat import Value, plain_value, shown

if TYPE_CHECKING:
    import pandas as pd

FEW = 5
"""With fewer seeds, there is no interval of a median (`fedlens.analysis.intervals.seeds_needed`)."""

FEW_MEANS = "results may differ with other seeds"
RANGES = "too few for a 95 % interval, so the range is shown"


@dataclass(frozen=True)
class Comparison:
    """Groups of runs side by side.

    Attributes:
        by: the options that are compared.
        at: how a run's rounds become one number.
        groups: in the order of the numbers compared, else as the runs came.
        flags: reasons to doubt the runs and the intervals.
        remarks: what else should be known.
        against: what the metrics are differences from, if they are: a group, which is not among `groups`, or what
            each run has beside itself.
        several: True if a run has rounds with more than one attacker.
    """

    by: tuple[str, ...]
    at: At
    groups: tuple[Group, ...]
    flags: tuple[str, ...]
    remarks: tuple[str, ...]
    against: str | None = None
    several: bool = False

    def rate(self, metric: str) -> bool:
        """Tell whether the metric is a rate in every group that has it, not a median over seeds."""
        metrics = [group.metrics[metric] for group in self.groups]
        return all(measured.rate for measured in metrics if measured.runs) and any(
            measured.rate for measured in metrics
        )

    @property
    def metrics(self) -> list[str]:
        """What is compared; a metric that is not known of what the others are differences from is left out."""
        return list(dict.fromkeys(metric for group in self.groups for metric in group.metrics))

    def title(self, metric: str) -> str:
        """Return the metric in words: of which rounds, and less what."""
        name = TITLES.get(metric, metric)
        return f"{name}, {self.at}" + (f", less {self.against}" if self.against else "")


class _Part(NamedTuple):
    """The rows of a group's runs, its values, and these in words."""

    table: "pd.DataFrame"
    values: tuple[Value, ...]
    label: str


class _Baseline(NamedTuple):
    """What differences are taken from: a group, or what each run has beside itself."""

    label: str
    part: _Part | None = None
    own: str = ""

    def side(self, part: _Part, metric: str) -> Side:
        """Return the side that `metric` of a group is compared with."""
        return Side(part.table, f"{self.own}_{metric}") if self.part is None else Side(self.part.table, metric)

    def unmatched(self, parts: Sequence[_Part]) -> int:
        """Count the baseline's runs that have no counterpart in one of the other groups.

        Raises:
            ConfigError: no run of theirs has one.
        """
        if self.part is None:
            return 0
        baseline_runs, *others = (
            {tuple(map(str, row)) for row in part.table[PAIRED].to_numpy()} for part in (self.part, *parts)
        )
        if not any(baseline_runs & other for other in others):
            raise ConfigError(
                f"--against {self.label}: no other group has a run of the same seed, target, and values of what else "
                f"differs; compare by that, too, or against {CONTROL}"
            )
        return sum(not all(run in other for other in others) for run in baseline_runs)


def compare(
    collection: Collection,
    by: Sequence[str] = (),
    metrics: Sequence[str] = ("confidence",),
    at: At | None = None,
    against: str | None = None,
) -> Comparison:
    """Group the runs, and measure them.

    Args:
        collection: the runs.
        by: the options to compare by; by default the one that varies.
        metrics: columns of the runs' tables.
        at: how a run's rounds become one number; by default, the last one counts.
        against: a group, by its label or its values; of all others, metrics are then differences from it, in pairs of
            the same seed, target, and values of what else differs within groups. ``control`` takes them from each run's
            benign twin, ``placebo`` from the same run with the malicious client absent.

    Raises:
        ConfigError: several options vary and none is named, or there is no such metric, round or group.
    """
    fields, at = chosen_fields(collection, by), at or At()
    require_metrics(collection, metrics)
    at.require(collection)
    metrics, unknown = _metrics_of_control(collection.table, metrics, against)
    if against is None:
        collection = replace(collection, table=of_attacks(collection.table))
    apart = by_group(collection, fields)
    parts_by_values = _parts(collection.table, fields, apart)
    rows = [(values, part.drop_duplicates(["cell", "round"])) for values, part in parts_by_values]
    mixed = _mixed(collection, fields, [part for _, part in rows])
    alike = ["cell"] if against in OWN else [name for name in mixed if name.partition(".")[0] not in fields]
    paired = [(values, part if against is None else part.assign(pair=_joined(part, alike))) for values, part in rows]
    parts = [_Part(part, values, _label(fields, values)) for values, part in paired]
    baseline = None if against is None else _baseline(against, fields, parts)
    others = [part for part in parts if baseline is None or part is not baseline.part]
    unmatched = baseline.unmatched(others) if baseline else 0
    groups = tuple(_group(part, metrics, at, baseline, apart.get(part.values, ())) for part in others)
    remarks = [f"differences from {baseline.label}, in pairs of runs that are alike in all else"] if baseline else []
    remarks += unknown
    remarks += [*collection.remarks, *_pooled(collection, mixed)]
    if baseline is None and _unlike_targets(collection.table):
        remarks.append("runs of the same seed and draw have different targets, so groups may differ by these, too")
    answers = [] if baseline or at.rounds else [metric for metric in metrics if metric in ANSWERS]
    remarks += _left_out(groups, [metric for metric in metrics if metric not in answers], at, baseline)
    if baseline and unmatched:
        remarks.append(f"{unmatched} of the runs of {baseline.label} have no counterpart in one of the other groups")
    if "window" in collection.table and not at.rounds and not collection.table["window"].dropna().all():
        remarks.append("numbers are of the rounds of each attack's window; --at ROUND has those of others")
    if (last := collection.table.groupby("cell")["round"].max()).nunique() > 1:
        then = "differences are of rounds that both have" if baseline else "curves go on with those that are left"
        remarks.append(f"runs end after {last.min()} to {last.max()} rounds; {then}")
    return Comparison(
        fields,
        at,
        groups,
        (
            *unjudged_flags(groups),
            *silent_flags(groups, answers),
            *confounded(collection, fields, [part for _, part in rows], alike if baseline and baseline.part else ()),
            *_of_runs(collection, [(part.label, part.table) for part in others]),
            *repetition_flags(fields, groups),
        ),
        tuple(remarks),
        baseline and baseline.label,
        "malicious_clients" in collection.table and bool((collection.table["malicious_clients"] > 1).any()),
    )


def _parts(
    table: "pd.DataFrame", fields: tuple[str, ...], more: Iterable[tuple[Value, ...]]
) -> Iterator[tuple[tuple[Value, ...], "pd.DataFrame"]]:
    """Yield the rows of each group with its values, numbers in order; those of `more` groups may be none."""
    if not fields:
        yield (), table
        return
    parts = {
        tuple(map(plain_value, values)): part for values, part in table.groupby(list(fields), sort=False, dropna=False)
    }
    parts |= {values: table.iloc[:0] for values in more if values not in parts}
    ranks: list[dict[Value, int]] = []
    for values in zip(*parts, strict=True):
        distinct = list(dict.fromkeys(value for value in values if value is not None))
        if all(isinstance(value, int | float) for value in distinct):
            distinct.sort()
        ranks.append({value: position for position, value in enumerate([*distinct, None])})
    for key in sorted(parts, key=lambda key: [rank[value] for rank, value in zip(ranks, key, strict=True)]):
        yield key, parts[key]


def _label(fields: tuple[str, ...], values: tuple[Value, ...]) -> str:
    words = (
        value if isinstance(value, str) else f"{field}={shown(value)}"
        for field, value in zip(fields, values, strict=True)
    )
    return ", ".join(words) or "all runs"


def _joined(table: "pd.DataFrame", columns: Sequence[str]) -> list[str]:
    """Join the values of some columns into one text for each row."""
    rows = table[[*columns]].to_numpy(dtype=object)
    return ["; ".join(shown(plain_value(value)) for value in row) for row in rows]


def _metrics_of_control(
    table: "pd.DataFrame", metrics: Sequence[str], against: str | None
) -> tuple[Sequence[str], list[str]]:
    """Return the metrics that the control has, if runs are compared with a control.

    Returns:
        The metrics, and a remark on those that are left out.

    Raises:
        ConfigError: none is known.
    """
    if against not in OWN:
        return metrics, []
    measured_metrics = [metric for metric in metrics if _has_values(table, f"{against}_{metric}")]
    control_words = OWN[against][4:]
    if not measured_metrics:
        raise ConfigError(
            f"--against {against}: these runs have no {control_words} with {', '.join(metrics)}; leave --against out"
        )
    without = [metric for metric in metrics if metric not in measured_metrics]
    remark = f"{', '.join(without)} {'has' if len(without) == 1 else 'have'} no {control_words}"
    return measured_metrics, [remark] if without else []


def _baseline(against: str, fields: tuple[str, ...], parts: Sequence[_Part]) -> _Baseline:
    """Return the baseline that `against` names.

    Raises:
        ConfigError: there is no such group, or no other one.
    """
    if against in OWN:
        return _Baseline(OWN[against], own=against)
    wanted = against if len(fields) != 1 else canonical(against.removeprefix(f"{fields[0]}="))
    for part in parts:
        values = [shown(value) for value in part.values]
        named = [f"{field}={value}" for field, value in zip(fields, values, strict=True)]
        if {against, wanted} & {part.label, ", ".join(values), ", ".join(named)}:
            if len(parts) == 1:
                raise ConfigError(
                    f"--against {against}: there is no other group to compare with it; leave --against out"
                )
            return _Baseline(part.label, part)
    labels = [*(part.label for part in parts), *OWN]
    meant = likeliest(against, labels) or CONTROL
    remedy = f"e.g. --against {shlex.quote(meant)}"
    raise ConfigError(f"--against {against}: no such group; there are {'; '.join(labels)}; {remedy}")


def _group(
    part: _Part, metrics: Sequence[str], at: At, baseline: _Baseline | None, unjudged: Sequence[Unjudged]
) -> Group:
    table = part.table

    def control_metrics(control: str) -> dict[str, Measured]:
        columns = {} if baseline else {metric: f"{control}_{metric}" for metric in metrics}
        return {metric: measured(table, column, at) for metric, column in columns.items() if _has_values(table, column)}

    return Group(
        values=part.values,
        label=part.label,
        runs=table["cell"].nunique(),
        metrics={m: measured(table, m, at, baseline.side(part, m) if baseline else None) for m in metrics},
        controls=control_metrics(CONTROL),
        placebos=control_metrics("placebo"),
        unjudged=unjudged,
        attacked=table["cell"][attacked(table)].nunique(),
    )


def _has_values(table: "pd.DataFrame", column: str) -> bool:
    """Tell whether any run has a value in the column."""
    return column in table and bool(table[column].notna().any())


def _mixed(collection: Collection, fields: tuple[str, ...], parts: Sequence["pd.DataFrame"]) -> list[str]:
    """Return the options that differ within a group and are not compared."""
    others = [name for name in collection.varying if name not in fields]
    return [name for name in others if any(part[name].nunique(dropna=False) > 1 for part in parts)]


def _pooled(collection: Collection, mixed: Sequence[str]) -> Iterator[str]:
    """Yield a remark on what differs within a group."""
    if mixed:
        values = {
            name: ", ".join(shown(plain_value(value)) for value in collection.table[name].unique()) for name in mixed
        }
        words = " and ".join(f"{name} ({several})" for name, several in values.items())
        yield f"means go over {words} too; choose one by --where, or compare by it with --by"


def _unlike_targets(table: "pd.DataFrame") -> bool:
    """Tell whether runs of a sweep, or single runs, have the same seed and draw, and yet not the same target."""
    alike: list[Any] = ["seed", "target.draw"]
    if PATH in table:  # else all are of one sweep
        alike.append(table[PATH].where(table.groupby(PATH)["cell"].transform("nunique") > 1, ""))
    return bool((table.groupby(alike)["target_index"].nunique() > 1).any())


def _left_out(groups: Sequence[Group], metrics: Sequence[str], at: At, baseline: _Baseline | None) -> Iterator[str]:
    """Yield a remark on runs that have no number."""
    lack = f", or no counterpart in {baseline.label}," if baseline else ""
    for metric in metrics:
        if missing := sum(group.missing(metric) for group in groups):
            yield f"{missing} of the runs have no finite {metric} ({at}){lack} and are left out of it"


def _of_runs(collection: Collection, parts: Iterable[tuple[str, "pd.DataFrame"]]) -> list[str]:
    """Return the runs' own flags, with how many of each group have them."""
    return common_by_group(
        {
            label: {cell: collection.flags[cell] for cell in part["cell"].unique() if cell in collection.flags}
            for label, part in parts
        }
    )


def repetition_flags(fields: tuple[str, ...], groups: Sequence[Group]) -> Iterator[str]:
    """Yield reasons to doubt the intervals, each with the groups concerned unless all are."""
    single = {
        repeated: [g.label for g in groups if _single(g, repeated)]
        for repeated, compared in {"seed": {"seed"}, "target": {"target.draw", "target_index"}}.items()
        if not compared & {*fields}
    }
    means = {
        "seed": "what chance does to data, initial model and training is not in the interval",
        "target": "another one may be easier or harder to attack",
    }
    for repeated, labels in single.items():
        if labels:
            yield f"one {repeated}{_where(labels, groups)}: {means[repeated]}"
    if few := [g.label for g in groups if any(1 < measured.seeds < FEW for measured in g.metrics.values())]:
        medians = [m for g in groups for m in g.metrics.values() if 1 < m.seeds < FEW and not m.rate]
        yield f"fewer than {FEW} seeds{_where(few, groups)}: {FEW_MEANS}" + (f"; {RANGES}" if medians else "")


def _single(group: Group, repeated: str) -> bool:
    """Tell whether a metric is of one ``seed`` or ``target`` only; without attack there is no target."""
    if repeated == "target" and not group.attacked:
        return False
    return any(getattr(measured, f"{repeated}s") == 1 for measured in group.metrics.values())


def _where(labels: Sequence[str], groups: Sequence[Group]) -> str:
    """Name the groups concerned, unless all are."""
    return "" if len(labels) == len(groups) else f" ({'; '.join(labels)})"
