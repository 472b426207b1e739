"""Many runs as one tidy table: sweeps' tables and single runs side by side, a row for each run and round.

A sweep's ``rounds.parquet`` has columns for the options that vary in it. Single runs get columns for the options that
differ between them, called as in YAML (``aggregation``, ``attack.boost``). An option that a source has no column for
is looked up in its experiments, so that sweeps over different options can be compared; and so is what is constant in
each sweep but not the same in all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from fedlens.analysis.counted import counted
from fedlens.analysis.held_out import AUDIT, held_out
from fedlens.analysis.missing import ANEW, DIGEST, Unjudged, failures_of, reasons_of, unjudged_of
from fedlens.analysis.run_results import load_run, sound_summary
from fedlens.analysis.sweep_progress import GRID, UNFINISHED_AUDIT, progress_words
from fedlens.analysis.table_checks import oddity
from fedlens.core.errors import ConfigError, DamagedRunError, RunError, cut, shortened
from fedlens.core.suggest import nearest
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.flat import Value, flattened, of_one_type, plain_value, shown, value_of
from fedlens.runs.loading import load_recorded
from fedlens.runs.reading import TROUBLE, read_json
from fedlens.runs.unjudged import FILE as UNJUDGED

if TYPE_CHECKING:
    import pandas as pd

TABLE = "rounds.parquet"
PATH = "path"
ALWAYS = ("cell", "seed", "target.draw", "target_index", "round")
"""Columns that every sweep's table has."""
REMOVED = 3
"""So many runs that are left out are named one by one."""


@dataclass(frozen=True)
class Collection:
    """Runs to be compared.

    Attributes:
        table: a row for each run and round: ``cell`` (the run), ``path`` (its directory), the options in `fields`,
            ``seed``, ``target_index``, and the columns of `fedlens.analysis.run_results.Run.rounds`.
        remarks: what should be known about it, in sentences.
        flags: reasons to doubt a run's result, by its ``cell``, of those runs of which they are known.
        unjudged: cells that cannot be judged, which are not in the table, with their values of its options.
        experiments: gives the experiment of a cell, judged or not.
    """

    table: "pd.DataFrame"
    remarks: tuple[str, ...] = ()
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unjudged: tuple[Unjudged, ...] = ()
    experiments: Mapping[str, Callable[[str], Experiment]] = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The columns that say what was run, not what came of it."""
        return [column for column in self.table.columns if is_field(column)]

    @property
    def varying(self) -> list[str]:
        """The options that vary, but for the seed and the target, over which means are taken."""
        repeated = {PATH, "seed", "target_index", "target.draw", "target.index"}
        return [name for name in self.fields if name not in repeated and len(self.values_of(name)) > 1]

    def values_of(self, name: str) -> list[Value]:
        """Return the values of an option in runs and in cells that cannot be judged."""
        values = [*map(plain_value, self.table[name].unique()), *(cell.values.get(name) for cell in self.unjudged)]
        return list(dict.fromkeys(values))


def is_field(column: str) -> bool:
    """Tell whether a column says what was run: an option by its dotted name, the target's samples, or the path."""
    return column.partition(".")[0] in Experiment.model_fields or column in {PATH, "target_index"}


@dataclass(frozen=True)
class _Source:
    """A sweep or a run: its table, the experiment of each of its cells, and the flags of its cells."""

    path: Path
    table: "pd.DataFrame"
    experiment: Callable[[str], Experiment]
    flags: Mapping[str, Sequence[str]]
    unjudged: Sequence[Unjudged] = ()


def collect(paths: Sequence[Path], wanted: Set[str] = frozenset()) -> Collection:
    """Collect the runs and the sweeps in `paths`, each run once.

    Args:
        paths: directories of runs and of sweeps.
        wanted: options that there shall be columns for in any case.

    Raises:
        ConfigError: an option that is wanted does not exist.
        RunError: nothing is in one of the paths, or its files are damaged.
    """
    import pandas as pd

    sweeps, runs, remarks = [], [], []
    for path in paths:
        if (path / "experiment.yaml").is_file():
            source, remark = _run(path)
            runs.append(source)
            remarks += remark
        else:
            source, remark = _sweep(path)
            sweeps.append(source)
            remarks += remark
    varied = {name: None for source in sweeps for name in source.table.columns if is_field(name)}
    fields = varied | dict.fromkeys(_differing([*sweeps, *runs]))
    fields |= dict.fromkeys(name for name in wanted if name not in {PATH, "target_index"})
    unknown: dict[Path, list[str]] = {}
    for name in fields:
        for path in _complete([*sweeps, *runs], name, varied.keys(), required=name in wanted):
            unknown.setdefault(path, []).append(name)
    remarks += [f"{path}: nothing is recorded there of {', '.join(names)}" for path, names in unknown.items()]
    sources = [source for path in paths for source in (*sweeps, *runs) if source.path == path]
    tables = [source.table.dropna(axis=1, how="all") for source in sources]
    table = pd.concat(tables, ignore_index=True)
    source_index = pd.Series([index for index, part in enumerate(tables) for _ in range(len(part))])
    again = source_index != source_index.groupby([table["cell"], table["round"]]).transform("first")
    names = dict.fromkeys(name for source in sources for name in source.table.columns)
    table = table.reindex(columns=["cell", PATH, *(name for name in names if name not in {"cell", PATH})])
    options = [name for name in table.columns if is_field(name)]
    table[options] = table[options].apply(of_one_type)  # numbers in one sweep may be text in another
    if again.any():
        remarks.append(f"{table['cell'][again].nunique()} of the runs are there more than once; each counts once")
    flags = {cell: cell_flags for source in sources for cell, cell_flags in source.flags.items()}
    table = table[~again].reset_index(drop=True)
    experiments = {cell: source.experiment for source in sources[::-1] for cell in _every(source)}
    return Collection(table, tuple(remarks), flags, tuple(_unjudged(sources, options, table)), experiments)


def _unjudged(sources: Sequence[_Source], options: Sequence[str], table: "pd.DataFrame") -> Iterator[Unjudged]:
    """Yield the cells that cannot be judged, each once, with their values of these `options` in the form of `table`."""
    judged = set(table["cell"])
    texts = {name for name in options if all(isinstance(value, str) for value in table[name].dropna())}
    for source in sources:
        for unjudged_cell in source.unjudged:
            if unjudged_cell.cell in judged:
                continue
            judged.add(unjudged_cell.cell)
            values = {PATH: str(source.path), **unjudged_cell.values}
            for name in set(options) - values.keys() - {"target_index"}:
                with suppress(ConfigError):  # nothing is known of it
                    values[name] = value_of(source.experiment(unjudged_cell.cell), name, set(options))
            recorded = {name: value for name, value in values.items() if value is not None}
            yield unjudged_cell._replace(
                values={name: shown(value) if name in texts else value for name, value in recorded.items()}
            )


def _sweep(path: Path) -> tuple[_Source, list[str]]:
    """Read the sweep in a directory, and what should be known about it."""
    import pandas as pd

    file = path / TABLE
    if (path / "plan.jsonl").is_file() and not (path / AUDIT).is_file():
        raise RunError(f"{path}: {UNFINISHED_AUDIT}")
    if not file.is_file():
        why = (
            progress_words(path)
            if (path / GRID).is_file()
            else f"neither a run nor a sweep is there ({TABLE}); make one, e.g. fedlens run quickstart --out {path}"
        )
        raise RunError(f"{path}: {why}")
    try:
        table = pd.read_parquet(file)
    except (*TROUBLE, ArithmeticError, MemoryError, NotImplementedError) as error:
        raise DamagedRunError(f"{file}: cannot be read ({cut(str(error), 200)}); {ANEW}") from error
    if missing := [name for name in ALWAYS if name not in table.columns]:
        raise DamagedRunError(f"{file}: lacks the columns {', '.join(missing)}; {ANEW}")
    if (unjudged := unjudged_of(path)) and table.empty:
        why = f"none of the {len(unjudged)} cells of this sweep can be judged: {reasons_of(unjudged)}"
        raise RunError(f"{path}: {why}; {', or '.join(unjudged[0].remedies)}")
    if table.empty:
        words = progress_words(path) if (path / GRID).is_file() else "no run of this sweep is complete yet"
        raise RunError(f"{path}: {words}")
    if (wrong := oddity(table)) is not None:
        raise DamagedRunError(f"{file}: cannot be read ({wrong}); {ANEW}")
    if strange := [cell for cell in table["cell"].unique() if not DIGEST.fullmatch(str(cell))]:
        raise DamagedRunError(f"{file}: {shortened(strange[0])} is no cell's name; {ANEW}")
    remarks = _left_out(path, set(table["cell"]))
    if (path / AUDIT).is_file():
        searched = set(table["cell"]) - held_out(path)
        if 0 < len(searched) < table["cell"].nunique():
            table = table[~table["cell"].isin(searched)].reset_index(drop=True)
            remarks.append(
                f"{path}: without {counted(len(searched), 'run')} of the audit's search, in which what was chosen by "
                "them looks better than it is"
            )
    table.insert(1, PATH, str(path))

    @cache
    def experiment(cell: str) -> Experiment:
        folder = path / "cells" / cell
        described = folder / "experiment.yaml"
        if not described.is_file():
            raise ConfigError(f"{described} is missing, which would tell")
        try:
            sound_summary(folder)
        except DamagedRunError as error:
            raise DamagedRunError(f"{error}; remove {folder}, and {ANEW}") from error
        try:
            return load_recorded(folder)
        except DamagedRunError as error:
            raise ConfigError(str(error)) from None

    cells = set(table["cell"])
    flags = {cell: cell_flags for cell in sorted(cells) if (cell_flags := _flags(path / "cells" / cell)) is not None}
    unjudged = [entry for entry in unjudged if entry.cell not in cells]
    return _Source(path, table, experiment, flags, unjudged), remarks


def _flags(run: Path) -> list[str] | None:
    """Return the flags in a complete run's summary; ``None`` without such, as rounds can be compared anyway."""
    try:
        return list(map(str, read_json(run / "summary.json")["flags"]))
    except (DamagedRunError, KeyError, TypeError):
        return None


def _left_out(path: Path, complete: Set[str]) -> list[str]:
    """Warn about runs missing from the sweep's table; nobody would notice otherwise."""
    failed = {failure.cell for failure in failures_of(path)}
    unjudged = {file.parent.name for file in path.glob(f"cells/*/{UNJUDGED}")}
    begun = {file.parent.name for file in path.glob("cells/*/experiment.yaml")}
    others = begun - complete - failed - unjudged
    unfinished = {cell for cell in others if not (path / "cells" / cell / "summary.json").exists()}
    remarks = []
    if failed:
        remarks.append(f"{path}: {len(failed)} of its runs failed and are left out; failures.json has the reasons")
    if unfinished:
        remarks.append(
            f"{path}: {len(unfinished)} of its runs are not complete and are left out; the same sweep goes on with "
            "those that are not of an earlier grid"
        )
    if stale := others - unfinished:
        it = "it" if len(stale) == 1 else "them"
        remarks.append(
            f"{path}: {_complete_runs(len(stale))} left out, which the sweep's table does not have, as of an earlier "
            f"grid: that does no harm, and {_removal(path, sorted(stale))} gets rid of {it}; if the sweep was killed, "
            "repeat it"
        )
    return remarks


def _removal(path: Path, cells: Sequence[str]) -> str:
    """Return the command that removes some cells' runs, or what to remove where these are many."""
    if len(cells) > REMOVED:
        return f"removing runs as {path / 'cells' / cells[0]}"
    return join(["rm", "-r", *(str(path / "cells" / cell) for cell in cells)])


def _complete_runs(count: int) -> str:
    return "1 complete run is" if count == 1 else f"{count} complete runs are"


def _run(path: Path) -> tuple[_Source, list[str]]:
    """Read the run in a directory, and what should be known about it."""
    run = load_run(path)
    table, experiment = run.rounds.copy(), run.experiment
    head: dict[str, Value] = {"cell": experiment.identity(), PATH: str(path), "seed": experiment.seed}
    head |= {"target.draw": experiment.target.draw, "target_index": " ".join(map(str, run.target.index))}
    for column_index, (name, value) in enumerate(head.items()):
        table.insert(column_index, name, value)
    played = f"{path} is not finished: {len(run.records)} of {experiment.rounds} rounds"
    flags = {experiment.identity(): run.flags}
    return _Source(path, table, lambda _: experiment, flags), [] if run.summary else [played]


def _differing(sources: Sequence[_Source]) -> list[str]:
    """Return the options of which sources have different values, unless only some of the sources have the option."""
    if len(sources) == 1:
        return []
    value_sets: dict[str, set[frozenset[Value]]] = {}
    for source in sources:
        values: dict[str, set[Value]] = {}
        with suppress(ConfigError):  # without its experiments, nothing is known
            for cell in _cells(source):
                for name, value in flattened(source.experiment(cell)).items():
                    values.setdefault(name, set()).add(value)
        for name, every in values.items():
            value_sets.setdefault(name, set()).add(frozenset(every))
    return [name for name, several in value_sets.items() if len(several) > 1]


def _complete(sources: Sequence[_Source], name: str, apart: Set[str], *, required: bool) -> list[Path]:
    """Give each of `sources` the column `name`; those where that is impossible, unless it is `required`.

    A component is described without those of its options that are told `apart` in columns of their own.
    """
    unknown, somewhere = [], False
    for source in sources:
        if name in source.table.columns:
            somewhere = True
            continue
        try:
            values = {cell: value_of(source.experiment(cell), name, apart) for cell in _cells(source)}
        except ConfigError as error:
            if required:
                options = set(filter(is_field, source.table.columns))
                raise ConfigError(f"{name}: no such column; {nearest(name, options)} ({error})") from None
            unknown.append(source.path)
            continue
        somewhere |= any(value is not None for value in values.values())
        source.table[name] = source.table["cell"].map(values.get).astype(object)
    if required and not somewhere:
        options = {
            option for source in sources for cell in _cells(source) for option in flattened(source.experiment(cell))
        }
        raise ConfigError(f"{name}: no run has this option; {nearest(name, options)}")
    return unknown


def _every(source: _Source) -> list[str]:
    """Return the sweep's cells, including those that cannot be judged."""
    return [*_cells(source), *(cell.cell for cell in source.unjudged)]


def _cells(source: _Source) -> list[str]:
    return list(source.table["cell"].unique())
