"""Runs whose every value is known, because they were never played."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from helpers.records import round_record
from safetensors.torch import save_file
from small import small

import fedlens
from fedlens.analysis.summary import summarise
from fedlens.runs.metadata import TargetRecord


def summed_up(run: fedlens.Run) -> fedlens.Run:
    """`run` with the summary of its records."""
    return replace(run, summary=summarise(run.experiment, run.records, None, run.target.classes))


def answered(run: fedlens.Run, round_: int, **target: Any) -> fedlens.Run:
    """`run` with other values in what the global model answered to the target samples after a round."""
    records = [
        replace(record, target=replace(record.outcome, **target)) if record.round == round_ else record
        for record in run.records
    ]
    return replace(run, records=records)


class Made:
    """Makes runs by hand: four clients, of which the last one is malicious."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, rounds: Sequence[dict[str, Any]], name: str = "made", **changes: object) -> fedlens.Run:
        """A run whose records are `rounds`, completed by an attack in every round."""
        experiment = small(**changes)
        records = [round_record(number, experiment.malicious, **round_) for number, round_ in enumerate(rounds, 1)]
        target = TargetRecord([7], [0], [1], ["zero", "one"])
        return fedlens.Run(self.folder / name, experiment, records, target, None)

    def histograms(self, rounds: Sequence[list[list[int]]], **changes: Any) -> fedlens.Run:
        """A run with histograms of four bins over ±2, a list for each client and round."""
        path = self.folder / "made"
        (path / "checks").mkdir(parents=True)
        for number, table in enumerate(rounds, 1):
            tables = {"statistics.histogram": torch.tensor(table, dtype=torch.int32)}
            save_file(tables, path / "checks" / f"{number:05d}.safetensors")
        numbers = {"norm": [1.0, 2.0, 3.0, 44.5], "sparsity": [0.1, 0.2, 0.3, 0.456]}
        numbers |= {"wasserstein": [0.01, 0.02, 0.03, 0.789], "lowest": [-1.5, -1, -1, -2.5], "highest": [1, 1, 1, 2]}
        columns = {"scores": [0.0] * 4, "flagged": [False] * 4, **numbers}
        check = {"name": "statistics", "bins": 4, "limit": 2}
        return self([{"checks": {"statistics": columns}}] * len(rounds), checks=[check], **changes)
