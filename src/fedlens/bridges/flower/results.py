"""What came of putting an app to the test, in rows and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from fedlens.analysis.intervals import wilson
from fedlens.bridges.flower.compat import FLOWER
from fedlens.bridges.flower.doubts import flags
from fedlens.bridges.flower.trying import Trial, Tried

HEAD = ("defence", "attack", "confidence", "in any round", "successes [95 %]", "accuracy")
NONE = "–"


def sentence(tried: Tried) -> str:
    """Say what was done."""
    asked = tried.asked
    began = next((trial.strategy for trial in tried.trials if trial.strategy), "")
    strategy = began.partition(":")[2] or "a loop of its own"
    return (
        f"{tried.app}, whose strategy is {strategy}: {asked.attackers} of {asked.nodes} nodes attack; "
        f"{len(tried.trials)} federations were played, with Flower {FLOWER}."
    )


def groups(tried: Tried) -> Iterator[tuple[str, str | None, list[Trial]]]:
    """Yield the federations of each defence and attack; the control's name is ``None``."""
    for defence, attack in dict.fromkeys((trial.defence, trial.attack) for trial in tried.trials):
        yield defence, attack, [one for one in tried.trials if (one.defence, one.attack) == (defence, attack)]


def rows(tried: Tried) -> list[list[str]]:
    """Return a row for each defence and attack, with the mean over seeds."""
    found = []
    for defence, attack, trials in groups(tried):
        judged = [trial for trial in trials if trial.success is not None]
        last = [trial.rounds[-1] for trial in judged]
        best = [max((one.confidence or 0.0 for one in trial.rounds), default=0.0) for trial in judged]
        hits = sum(bool(trial.success) for trial in judged)
        low, high = wilson(hits, len(judged)) if judged else (0.0, 1.0)
        rate = f"{hits}/{len(judged)} [{low:.2f}, {high:.2f}]" if judged else NONE
        numbers = [_mean([one.confidence for one in last]), _mean(best), rate, _mean([one.accuracy for one in last])]
        found.append([defence, attack or "none", *numbers])
    return found


def document(tried: Tried) -> dict[str, Any]:
    """Return everything as plain values."""
    asked = tried.asked
    trials = [
        {
            "defence": trial.defence,
            "attack": trial.attack,
            "seed": trial.seed,
            "success": trial.success,
            "fault": trial.fault,
            "strategy": trial.strategy,
            "rounds": [
                {"round": one.round, "confidence": one.confidence, "accuracy": one.accuracy}
                | ({} if one.targets is None else {"met": one.targets.met})
                | ({} if one.backdoor is None else {"rate": one.backdoor.rate})
                for one in trial.rounds
            ],
            "acts": [
                {"round": act.round, "node": act.node, "reason": act.reason, "claimed": act.claimed, "log": act.log}
                for act in trial.acts
            ],
        }
        for trial in tried.trials
    ]
    head = {"app": tried.app, "flower": FLOWER, "nodes": asked.nodes, "attackers": asked.attackers}
    head["sentence"] = sentence(tried)
    table = [dict(zip(HEAD, row, strict=True)) for row in rows(tried)]
    return {**head, "seeds": list(asked.seeds), "table": table, "flags": list(flags(tried)), "trials": trials}


def _mean(values: Sequence[float | None]) -> str:
    told = [value for value in values if value is not None]
    return f"{mean(told):.3f}" if told else NONE
