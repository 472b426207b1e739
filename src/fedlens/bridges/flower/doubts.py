"""Reasons to doubt what came of putting an app to the test, and what is known of its strategy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

from fedlens.analysis.flower_strategies import of_strategy
from fedlens.bridges.flower.defending import OWN
from fedlens.bridges.flower.trying import Trial, Tried

WEAK, HALF, FEWEST = 0.1, 0.5, 5

REMEDIES = {"claims-unbounded": "; `Screened(..., cap=2.0)` limits claims"}
"""What helps, by the code of what is known of strategies."""


def flags(tried: Tried) -> Iterator[str]:
    """Yield red flags.

    Example:
        >>> import torch
        >>> from fedlens.bridges.flower import Asked, Tried, flags
        >>> next(flags(Tried("my_app", Asked(lambda: torch.nn.Linear(2, 2)), trials=[])))
        '3 seeds: intervals of rates are wide; e.g. --seeds 10.'
    """
    controls = [trial for trial in tried.trials if trial.attack is None]
    yield from _of_controls(controls)
    yield from _of_attacks([trial for trial in tried.trials if trial.attack is not None])
    yield from _costs(tried.trials)
    for name, reason in tried.left_out.items():
        yield f"{name} was not tried: {reason}."
    if len(tried.asked.seeds) < FEWEST:
        count = len(tried.asked.seeds)
        yield f"{count} seed{'s' * (count > 1)}: intervals of rates are wide; e.g. --seeds 10."
    for strategy in dict.fromkeys(trial.strategy for trial in controls):
        for deviation in of_strategy(strategy):
            name = strategy.partition(":")[2]
            yield f"Flower's {name} {deviation.words}{REMEDIES.get(deviation.code, '')}."
    if controls and not any(trial.strategy for trial in controls):
        yield "No strategy of Flower's has begun, so that nothing could take its place: the app has a loop of its own."


def _of_controls(controls: Sequence[Trial]) -> Iterator[str]:
    own = [trial for trial in controls if trial.defence == OWN and trial.rounds]
    if met := [trial for trial in own if trial.success]:
        yield f"Without attack, the last model does what attackers want, in {len(met)} of {len(own)} seeds: ask more."
    elif high := [trial for trial in own if (trial.rounds[-1].confidence or 0) > WEAK]:
        yield (f"Without attack, the class wanted has more than {WEAK:.0%} already in {len(high)} of {len(own)} seeds.")
    poor = [trial for trial in own if trial.rounds[-1].accuracy is not None and trial.rounds[-1].accuracy < HALF]
    if poor:
        yield (
            "Without attack, the last model is right on less than half of the test samples, in "
            f"{len(poor)} of {len(own)} seeds: play more rounds."
        )
    if own and own[0].rounds[-1].accuracy is None:
        yield "No test samples: an attack that destroys the model looks like any other; e.g. --test mine:test."


def _costs(trials: Sequence[Trial]) -> Iterator[str]:
    """Tell which attacks succeed at a price in accuracy that is hard to miss."""
    controls = {(trial.defence, trial.seed): trial for trial in trials if trial.attack is None}
    succeeding = [trial for trial in trials if trial.attack is not None and trial.success]
    for attack, defence in dict.fromkeys((trial.attack, trial.defence) for trial in succeeding):
        lost = [
            before - after
            for trial in succeeding
            if (trial.attack, trial.defence) == (attack, defence)
            if (before := _accuracy(controls.get((defence, trial.seed)))) is not None
            if (after := _accuracy(trial)) is not None
        ]
        if lost and mean(lost) > WEAK:
            points = f"{100 * mean(lost):.0f} points of accuracy"
            yield f"{attack} costs {points} with {defence} where it succeeds, which nobody would overlook."


def _accuracy(trial: Trial | None) -> float | None:
    """Return the last global model's accuracy, if it is known."""
    return None if trial is None or not trial.rounds else trial.rounds[-1].accuracy


def _of_attacks(trials: Sequence[Trial]) -> Iterator[str]:
    for name in dict.fromkeys(trial.attack for trial in trials):
        mine = [trial for trial in trials if trial.attack == name]
        if not any(act.reason is None for trial in mine for act in trial.acts):
            yield f"{name} never attacked: nodes were not chosen, or it waited."
        if any(act.claimed is not None for trial in mine for act in trial.acts):
            yield f"{name} lies about its number of samples, which no server can check and no bound on updates sees."
    for trial in trials:
        if trial.fault:
            yield f"{trial.attack} ended the app with {trial.defence} (seed {trial.seed}): {trial.fault}."
    early = [
        trial
        for trial in trials
        if trial.success is False and any(one.targets and one.targets.success for one in trial.rounds[:-1])
    ]
    if early:
        yield (
            f"{len(early)} federations had a model that does what attackers want, but not the last one: the column "
            "“in any round” says how far."
        )
