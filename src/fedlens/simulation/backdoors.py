"""Measuring a backdoor: on the global model after a round, and on all rounds of a control, once.

What a control answers is kept beside it in the cache, in a file for each goal, because every attack with this goal asks
the same of it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from torch import Tensor

from fedlens.core.code import digest as digest_code
from fedlens.core.config import Config
from fedlens.core.custom import is_custom
from fedlens.core.files import write_atomically
from fedlens.core.registry import describe
from fedlens.core.threads import one_thread
from fedlens.experiment.setting import Setting
from fedlens.goals.answers import BackdoorRecord, tally
from fedlens.goals.goal import Goal
from fedlens.goals.malicious_samples import wanted_classes
from fedlens.models.evaluation import stretches
from fedlens.runs.parse_records import parsed
from fedlens.simulation.allocation import shared_tensors
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.backdoor_job import BackdoorJob, variants
from fedlens.simulation.engines.choice import Choice
from fedlens.simulation.engines.context import GLOBAL, SharedTensors, WorkerContext
from fedlens.simulation.engines.serial import Serial
from fedlens.simulation.twin import Control

ANSWERS = TypeAdapter(list[BackdoorRecord])


def measured(
    setting: Setting,
    engine: Engine,
    shared: SharedTensors,
    round_: int,
    predictions: Tensor,
    *,
    team: Mapping[str, Tensor],
) -> BackdoorRecord:
    """Ask the shared global model what the goal asks.

    Args:
        setting: the prepared experiment.
        engine: started, with the goal in its context.
        shared: the engine's tensors.
        round_: number of the round.
        predictions: the model's log-probabilities on the test set as it is, shape ``[samples, classes]``.
        team: what the team of attackers keeps.
    """
    labels, goal = setting.dataset.test.y, setting.goal
    assert goal is not None
    assert shared.answers is not None
    parts = stretches(len(labels), engine.workers)
    trained = team if goal.trains else {}
    jobs = [BackdoorJob(round_, variant, *part, trained) for variant in range(variants(goal)) for part in parts]
    engine.run(jobs, lambda _: None)
    record = tally(shared.answers, predictions, wanted_classes(goal, labels, len(setting.dataset.classes)))
    return replace(record, distinct=setting.distinct)


def answers_of(control: Control, setting: Setting, choice: Choice) -> list[BackdoorRecord]:
    """Return what the control, whose weights were kept, answers after each round: from the cache, or by asking it.

    Args:
        control: the benign twin or the placebo.
        setting: of the attacked experiment.
        choice: the engine.
    """
    assert setting.goal is not None
    file = control.path / "backdoors" / f"{_digest(setting.goal)}.json"
    if file.exists():
        try:
            if len(known := parsed(ANSWERS, file.read_bytes())) == len(control.records):
                return known
        except ValueError:
            pass  # it is written anew
    rounds = [record.round for record in control.records]
    with choice.make() as engine:
        answers = _ask(control, setting, engine, rounds)
    file.parent.mkdir(exist_ok=True)
    write_atomically(file, ANSWERS.dump_json(answers))
    return answers


def answer_to(control: Control, setting: Setting, round_: int, team: Mapping[str, Tensor]) -> BackdoorRecord:
    """Return what the control, whose weights were kept, answers after a round to what a team has trained by then."""
    with Serial() as engine:
        [answer] = _ask(control, setting, engine, [round_], team)
    return answer


def _ask(
    control: Control, setting: Setting, engine: Engine, rounds: Sequence[int], team: Mapping[str, Tensor] | None = None
) -> list[BackdoorRecord]:
    """Ask the control after each of these rounds."""
    with one_thread():
        network, dataset = setting.network(), setting.dataset
        shared = shared_tensors(setting, engine, network.state(), 1)
        local, custom = setting.local, is_custom(setting.experiment.model)
        context = WorkerContext(
            dataset, setting.shards, network, local, setting.root, shared,
            custom=custom, timeout=setting.timeout, goal=setting.goal,
        )  # fmt: skip
        engine.start(context)
        answers = []
        for round_ in rounds:
            shared.models[GLOBAL] = control.weights(round_).to(setting.device)
            predictions = control.predictions(round_).to(setting.device)
            answers.append(measured(setting, engine, shared, round_, predictions, team=team or {}))
        return answers


def _digest(goal: Goal) -> str:
    """Digest what a goal asks: its trigger and classes, and the code of one's own."""
    described: dict[str, Any] = describe("goal", goal)
    described.pop("share", None)  # which is for attackers
    parts: list[Config] = [goal, trigger] if isinstance(trigger := getattr(goal, "trigger", None), Config) else [goal]
    code = digest_code(type(part) for part in parts if is_custom(part))
    return hashlib.blake2b(json.dumps([described, code], sort_keys=True).encode(), digest_size=12).hexdigest()
