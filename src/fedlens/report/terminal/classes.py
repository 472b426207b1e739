"""The last model's accuracy in each class beside its control's: what the accuracy over all classes hides."""

from rich.table import Table

from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.report.terminal.printing import PlainTable
from fedlens.report.words import attack_name, signed

SHOWN = 10
"""How many classes the table has at most."""


def classes_table(run: Run) -> Table:
    """Tabulate each class that has test samples, after the last round so far.

    Of more than `SHOWN` classes those are shown that lost most against the control, or without one do worst.
    """
    last = run.records[-1]
    table = PlainTable(title=f"after round {last.round}")
    table.add_column("accuracy in class")
    ours = dict(zip(run.target.classes, last.quality.per_class, strict=True))
    shown = {name: accuracy for name, accuracy in ours.items() if accuracy is not None}
    points = {}
    if last.twin:
        per_class = dict(zip(run.target.classes, last.twin.quality.per_class, strict=True))
        twin = {name: accuracy for name, accuracy in per_class.items() if accuracy is not None}
        points = {name: 100 * (accuracy - twin[name]) for name, accuracy in shown.items()}
        table.add_column("without attack", justify="right")
    table.add_column(attack_name(run.experiment) if run.experiment.attack else "without attack", justify="right")
    if points:
        table.add_column("points", justify="right")
    names = list(shown)
    if len(names) > SHOWN:
        table.caption = f"the {SHOWN} of {len(names)} classes that {'lost most' if points else 'do worst'}"
        names = sorted(names, key=(points or shown).__getitem__)[:SHOWN]
    for name in names:
        without_attack, difference = ([percent(twin[name])], [signed(points[name])]) if points else ([], [])
        table.add_row(name, *without_attack, percent(shown[name]), *difference)
    return table
