"""The tables of the aggregation benchmark, and the same as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from turns import median_and_range, ratio, spread

TORCH_MEDIAN, GRAM, PRODUCT = "torch.median(dim=0)", "centred Gram matrix", "U @ U.T"
BY_DISTANCE = ("krum", "krum-authors", "multi-krum", "bulyan")
AGAINST = {"median": TORCH_MEDIAN, "ByzFL Median": TORCH_MEDIAN} | dict.fromkeys((*BY_DISTANCE, "ByzFL Krum"), GRAM)
THEIRS = {
    "median": "ByzFL Median",
    "trimmed-mean": "ByzFL TrMean",
    "geometric-median": "ByzFL GeometricMedian",
    "krum": "ByzFL Krum",
    "multi-krum": "ByzFL MultiKrum",
}
RATIO = "median over turns of the time divided by the yardstick's in the same turn; ByzFL's time divided by ours alike"


def as_values(name: str, seconds: Mapping[str, list[float]], extra: float | None) -> dict[str, Any]:
    """A row of a table as plain values."""
    times, yardstick, theirs = seconds[name], AGAINST.get(name), THEIRS.get(name)
    return {
        "seconds": spread(times),
        "yardstick": yardstick,
        "ratio": ratio(times, seconds[yardstick]) if yardstick else None,
        "by_product": ratio(times, seconds[PRODUCT]),
        "faster_than_byzfl": ratio(seconds[theirs], times) if theirs is not None and theirs in seconds else None,
        "extra_megabytes": extra,
    }


def as_table(result: Mapping[str, Any]) -> Table:
    """The table of a size, and below it what was left out."""
    caption = [f"ratio: {RATIO}", *(f"not timed: {name}: {why}" for name, why in result["left_out"].items())]
    title = f"{result['rows']} × {result['columns']:,} float32, f = {result['f']}, 1 thread"
    table = Table(title=title, caption="\n".join(caption), title_justify="left", caption_justify="left")
    table.add_column("defence")
    for heading in ("seconds", "min–max", "extra MB", "× faster than ByzFL", f"÷ {PRODUCT}", "ratio to"):
        table.add_column(heading, justify="right")
    table.add_column("yardstick")
    for name, row in result["rules"].items():
        table.add_row(
            name,
            *median_and_range(row["seconds"]),
            "" if row["extra_megabytes"] is None else f"{row['extra_megabytes']:.0f}",
            "" if row["faster_than_byzfl"] is None else f"{row['faster_than_byzfl']:.1f}",
            f"{row['by_product']:.2f}",
            "" if row["ratio"] is None else f"{row['ratio']:.2f}",
            row["yardstick"] or "",
        )
    return table
