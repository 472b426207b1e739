"""Someone else's attack, rule, check, model, data set and partitioner, in a file beside their YAML."""

import os
import re
import subprocess
import sys
from pathlib import Path

import torch
import yaml

from fedlens.analysis.run_results import load_run

CODE = '''
import torch
from torch import nn
from fedlens import (
    Aggregate, Attack, Data, Dataset, Detector, Inspection, Model, Partition, Received, Rule, Samples, Verdict, View
)
from fedlens.data.partition import Shards


class Blobs(Data):
    """Three clouds in the plane."""

    spread: float = 0.3

    def load(self, directory=None):
        generator = torch.Generator().manual_seed(1)
        def draw(count):
            y = torch.arange(count) % 3
            centres = torch.tensor([[0.0, 1], [1, 0], [-1, -1]])
            return Samples(centres[y] + self.spread * torch.randn(count, 2, generator=generator), y)
        return Dataset(draw(240), draw(90), ("a", "b", "c"))


class Stripes(Partition):
    """Every fourth sample."""

    def split(self, labels, clients, address):
        order = torch.cat([torch.arange(client, len(labels), clients) for client in range(clients)])
        sizes = torch.tensor([len(range(client, len(labels), clients)) for client in range(clients)])
        return Shards(order, torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)]))


class Linear(Model):
    """One layer."""

    def build(self, shape, classes):
        return nn.Linear(*shape, classes)


class First(Rule):
    """Takes the mean of the first few."""

    averages = True
    few: int = 3

    def aggregate(self, received: Received) -> Aggregate:
        shares = (torch.arange(len(received.updates)) < self.few).double()
        shares /= shares.sum()
        return Aggregate(shares.to(received.updates) @ received.updates, shares)


class Longest(Detector):
    """Suspects the longest update."""

    def inspect(self, seen: Inspection) -> Verdict:
        norms = seen.updates.norm(dim=1).double()
        return Verdict(norms, norms == norms.max(), {"norm": norms.tolist()})


class Push(Attack):
    """Pushes the last bias."""

    push: float = 5

    def craft(self, view: View):
        update = view.train()
        update[-2] += self.push * self.factor(view.alpha)
        return update
'''
EXPERIMENT = {
    "name": "theirs",
    "data": {"name": "theirs:Blobs", "spread": 0.2},
    "partition": "theirs:Stripes",
    "model": "theirs:Linear",
    "aggregation": {"name": "theirs:First", "few": 3},
    "checks": [{"name": "theirs:Longest", "action": "reject"}, "distances"],
    "attack": {"name": "theirs:Push", "push": 7, "estimate": "post"},
    "clients": 6,
    "rounds": 3,
    "local": {"epochs": 2, "batch_size": 10, "learning_rate": 0.05},
}


def test_components_from_outside_the_package_work_from_yaml(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(CODE)
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    command = [sys.executable, "-c", "from fedlens.cli import main; main()", "run", "theirs.yaml", "--workers", "2"]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"theirs:Longest +\d", done.stdout)
    run = load_run(tmp_path / "runs" / "theirs")  # which is read without their file
    for record in run.records:
        assert record.rejected == [5]  # the boosted one is the longest
        assert record.effective_weights == [1 / 3, 1 / 3, 1 / 3, 0, 0, 0]
        assert record.twin is not None
    assert run.summary is not None
    assert run.summary.checks["theirs:Longest"].recall == 1
    assert run.experiment.describe()["attack"]["push"] == 7
    assert torch.isfinite(run.weights()).all()
    assert "estimate_error" in run.records[1].malicious.attack.log
