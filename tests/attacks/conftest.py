"""A worker's place in a small federation, at which the honest clients have been served already."""

import pytest
import torch
from attacker import CLIENTS, MALICIOUS, tiny

from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.experiment.setting import Setting, prepare
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext
from fedlens.simulation.engines.jobs import HonestJob


@pytest.fixture(scope="session")
def setting() -> Setting:
    return prepare(tiny(ExplicitBoosting())).with_target(None)


@pytest.fixture
def context(setting: Setting) -> WorkerContext:
    network = setting.network()
    weights = network.vector.detach().clone()
    shared = SharedTensors(torch.zeros(2, len(weights)), torch.zeros(CLIENTS, len(weights)), torch.zeros(2, 360, 10))
    shared.models[GLOBAL] = weights
    context = WorkerContext(setting.dataset, setting.shards, network, setting.experiment.local, setting.root, shared)
    for client in set(range(CLIENTS)) - {MALICIOUS}:
        HonestJob(3, client, row=client, cost=1).run(context)
    return context
