"""What a malicious node keeps from round to round, in the state that Flower keeps for a node, as arrays and numbers.

A SuperNode starts a new process for every message, so that a variable would be lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord

from fedlens.attacks.estimation import Observation

ROUNDS = "fedlens.rounds"
PAST = "fedlens.past."
LOG = "log."


def round_of(message: Message, context: Context) -> int:
    """Return the round, from 1: as the server says, or else the number of times that this node was asked."""
    for record in message.content.config_records.values():
        for name in ("server-round", "server_round"):
            if isinstance(record.get(name), int):
                return int(record[name])
    count = int(context.state.metric_records.get(ROUNDS, MetricRecord({"count": 0}))["count"]) + 1
    context.state[ROUNDS] = MetricRecord({"count": count})
    return count


def remembered(context: Context) -> tuple[Observation, ...]:
    """Return what the node keeps of earlier rounds, latest last."""
    found = []
    for place in range(len(context.state)):
        name = f"{PAST}{place}"
        if name not in context.state.array_records:
            break
        arrays, facts = context.state.array_records[name], context.state.config_records[f"{name}.facts"]
        weights, update = (torch.from_numpy(arrays[key].numpy().copy()) for key in ("weights", "update"))
        log = {key.removeprefix(LOG): value for key, value in facts.items() if key.startswith(LOG)}
        found.append(Observation(int(facts["round"]), float(facts["alpha"]), weights, update, log))
    return tuple(found)


def remember(context: Context, history: Sequence[Observation]) -> None:
    """Keep these rounds, and no others."""
    for place, past in enumerate(history):
        name = f"{PAST}{place}"
        facts = {f"{LOG}{key}": value for key, value in past.log.items() if isinstance(value, int | float | str)}
        arrays = {"weights": past.weights, "update": past.update}
        context.state[name] = ArrayRecord({key: Array(tensor.cpu().numpy()) for key, tensor in arrays.items()})
        context.state[f"{name}.facts"] = ConfigRecord({"round": past.round, "alpha": past.alpha, **facts})
