"""How alike two models' explanations are, as tables for the terminal."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from fedlens.analysis.percent import percent
from fedlens.explanations.model_pair import MODELS, PREDICTED, TARGET, ModelPair
from fedlens.explanations.similarity import NAMES
from fedlens.report.terminal.printing import PlainTable

if TYPE_CHECKING:
    import pandas as pd


def said_table(pair: ModelPair, classes: Sequence[str], target: Collection[int], count: int) -> Table:
    """Tabulate what both models say of the first `count` samples, of which some are the attacker's `target`."""
    table = PlainTable(title="What the models say")
    for name in ("test sample", "class", *(f"{model} model says" for model in MODELS), "wanted by the attack"):
        table.add_column(name)
    for sample_index, index in enumerate(pair.indices[:count]):
        said, wanted = [], []
        for model in MODELS:
            maps = pair.maps[model, TARGET]
            probabilities, predicted = maps.probabilities[sample_index], int(maps.predicted[sample_index])
            said.append(f"{classes[predicted]}, {percent(float(probabilities[predicted]))}")
            wanted.append(percent(float(probabilities[pair.target_classes[sample_index]])))
        number = f"{index} (target)" if index in target else str(index)
        words = (
            classes[int(pair.samples.y[sample_index])],
            *said,
            f"{classes[pair.target_classes[sample_index]]}: {', then '.join(wanted)}",
        )
        table.add_row(number, *words)
    return table


def likeness_table(pair: ModelPair, target: Collection[int]) -> Iterator[Table]:
    """Yield a table for the attacker's samples and one for the others: means for each method by each measure."""
    numbers = pair.likeness()
    attacked = numbers["sample"].isin(list(target))
    for rows, explained, title in (
        (numbers[attacked], TARGET, "the target, reasons for the class wanted by the attack"),
        (numbers[~attacked], PREDICTED, "other samples, reasons for the class predicted"),
    ):
        if len(rows):
            yield _table(rows[rows["explained"] == explained], title)


def _table(rows: "pd.DataFrame", title: str) -> Table:
    count = rows["sample"].nunique()
    table = PlainTable(title=f"How alike the models' maps are: {title} ({count} sample{'s'[: count != 1]})")
    table.add_column("method")
    measures = list(dict.fromkeys(rows["measure"]))
    for measure in measures:
        table.add_column(NAMES[measure], justify="right")
    for method, of_method in rows.groupby("method", sort=False):
        values = (of_method[of_method["measure"] == measure]["value"] for measure in measures)
        table.add_row(str(method), *(f"{value.mean():.2f}" for value in values))
    return table
