"""The table that people read, and the same as JSON."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from race import YARDSTICK, Performance
from rich.table import Table

from fedlens.federation.engines.engine import cores

FLOOR = "floor"
RATIO = f"median over rounds of the time divided by that of {YARDSTICK} in the same turn"


def describe_machine() -> dict[str, Any]:
    """What the numbers depend on, and how busy it is."""
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def in_words(machine: Mapping[str, Any]) -> str:
    """The machine in a line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}, Python {machine['python']}, "
        f"load {machine['load']} before the first round"
    )


def as_values(performance: Performance) -> dict[str, Any]:
    """A row of the table as plain values."""
    seconds = performance.seconds
    return {
        "engine": performance.engine,
        "seconds": {"median": median(seconds), "min": min(seconds), "max": max(seconds), "each": seconds},
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
            seconds = row["seconds"]
            table.add_row(
                "",
                row["engine"],
                f"{seconds['median']:.3f}",
                f"{seconds['min']:.3f}–{seconds['max']:.3f}",
                f"{row['ratio']:.2f}",
                f"{row['accuracy']:.4f}",
                end_section=place == len(rows) - 1,
            )
    return table
