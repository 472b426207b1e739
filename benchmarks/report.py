"""The table that people read, and the same as JSON."""

from collections.abc import Mapping
from typing import Any

from race import YARDSTICK, Performance
from rich.table import Table
from turns import median_and_range, spread

FLOOR = "floor"
RATIO = f"median over blocks of rounds of the time divided by that of {YARDSTICK} in the same turn"


def as_values(performance: Performance) -> dict[str, Any]:
    """A row of the table as plain values."""
    return {
        "engine": performance.engine,
        "seconds": spread(performance.seconds),
        "ratio": performance.ratio,
        "accuracy": performance.accuracy,
    }


def as_table(results: Mapping[str, Any]) -> Table:
    """The table, from what each workload is (``about``), its floor (``floor``) and its rows (``engines``)."""
    caption = f"ratio: {RATIO}\n{FLOOR}: operations of the layers by their definition, at the rate of a large product"
    table = Table(caption=caption, caption_justify="left")
    for heading in ("workload", "engine"):
        table.add_column(heading)
    for heading in ("s/round", "min–max", "ratio", "accuracy"):
        table.add_column(heading, justify="right")
    for result in results.values():
        rows, floor = result["engines"], result["floor"]
        seconds = floor["operations"] / floor["rate"] / floor["processes"]
        share = seconds / next(row["seconds"]["median"] for row in rows if row["engine"] == YARDSTICK)
        words = f"{floor['operations'] / 1e9:,.0f} GFLOP at {floor['rate'] / 1e9:.0f} GFLOP/s"
        table.add_row(
            result["about"], f"{FLOOR} ×{floor['processes']}: {words}", f"{seconds:.3f}", "", f"{share:.2f}", ""
        )
        for place, row in enumerate(rows):
            table.add_row(
                "",
                row["engine"],
                *median_and_range(row["seconds"]),
                f"{row['ratio']:.2f}",
                f"{row['accuracy']:.4f}",
                end_section=place == len(rows) - 1,
            )
    return table
