"""The table of whole jobs, and the same as plain values for JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs import YARDSTICK, Job
from rich.table import Table
from turns import median_and_range, ratio, spread

MEGABYTE = 1e6

CAPTION = (
    f"ratio: median over repeats of the time divided by that of {YARDSTICK} in the same repeat; start-up: what a job "
    "takes beyond its rounds, of which the first counts as the median of the others; memory: the most that all "
    "processes of a job hold together, shared pages counted once; medians over repeats"
)


def as_rows(jobs: Mapping[str, Sequence[Job]]) -> list[dict[str, Any]]:
    """A row for each contender."""
    yardstick = [job.seconds for job in jobs[YARDSTICK]]
    return [
        {
            "contender": name,
            "seconds": spread([job.seconds for job in done]),
            "ratio": ratio([job.seconds for job in done], yardstick),
            "startup": spread([job.startup for job in done]),
            "peak_bytes": spread([job.peak for job in done]),
            "accuracy": spread([job.accuracy for job in done]),
        }
        for name, done in jobs.items()
    ]


def as_table_of_jobs(results: Mapping[str, Any]) -> Table:
    """The table, from what each job is (``about``, ``rounds``) and its rows (``contenders``)."""
    table = Table(caption=CAPTION, caption_justify="left")
    for heading in ("whole job", "by"):
        table.add_column(heading)
    for heading in ("seconds", "min–max", "ratio", "start-up", "memory, MB", "accuracy"):
        table.add_column(heading, justify="right")
    for result in results.values():
        rows = result["contenders"]
        for place, row in enumerate(rows):
            table.add_row(
                f"{result['about']}, rounds: {result['rounds']}" if place == 0 else "",
                row["contender"],
                *median_and_range(row["seconds"], 2),
                f"{row['ratio']:.2f}",
                f"{row['startup']['median']:.2f}",
                f"{row['peak_bytes']['median'] / MEGABYTE:.0f}",
                f"{row['accuracy']['median']:.4f}",
                end_section=place == len(rows) - 1,
            )
    return table
