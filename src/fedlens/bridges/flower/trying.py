"""A user's app put to the test: attacks against its own strategy, and against other defences in its place.

Each is a federation in this process (`play`), attacked and not, with the same seeds. The app is not touched: a strategy
is replaced where Flower starts it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flwr.app import Context
from torch import Tensor

from fedlens.analysis.flower_strategies import public_name
from fedlens.attacks.attack import Attack
from fedlens.bridges.flower.apps import App
from fedlens.bridges.flower.compat import starting
from fedlens.bridges.flower.defending import DEFENCES, OWN, UnsuitableError, defended
from fedlens.bridges.flower.fitting import Make
from fedlens.bridges.flower.measuring import Measured, measured
from fedlens.bridges.flower.mod import Act, Attacked, Malicious
from fedlens.bridges.flower.play import Played, play
from fedlens.core.errors import ConfigError, FedlensError
from fedlens.core.origin import told
from fedlens.data.dataset import Samples
from fedlens.goals.goal import Goal, Standing
from fedlens.goals.success import TargetSamples
from fedlens.training.local import LocalTraining


@dataclass(frozen=True)
class Plan:
    """An attack by name.

    Attributes:
        attack: see `Malicious`.
        claim: see there.
        start: see there.

    Example:
        >>> from fedlens.bridges.flower import Plan
        >>> Plan("badnets", claim=100).start
        'received'
    """

    attack: Attack | Mapping[str, Any] | str
    claim: float | None = None
    start: Any = "received"


TARGETED = {"name": "explicit-boosting", "threshold": 0.1, "check_every": 5}
SMALL = LocalTraining(optimizer="sgd", learning_rate=0.02)
USUAL: Mapping[str, Plan] = {
    "explicit-boosting": Plan("explicit-boosting"),
    "after-training": Plan(TARGETED, start="trained"),
    "alternating-minimisation": Plan("alternating-minimisation"),
    "claim": Plan({**TARGETED, "boost": 1}, claim=1e6, start="trained"),
}
"""What is tried: the paper's two; boosting from where the app's own training ended; and the same without any boost, by
a client that says to have a million times as many samples."""


@dataclass(frozen=True)
class Asked:
    """What is asked of an app.

    Attributes:
        model: makes the client's module.
        targets: what is to be misclassified.
        goal: what attackers want in their place.
        test: test samples.
        data: a node's samples, by its context.
        nodes: how many there are.
        attackers: how many of them attack, the last ones.
        rounds: how many are played; ``None`` for as many as the app says.
        seeds: the seeds.

    Example:
        >>> import torch
        >>> from fedlens.bridges.flower import Asked
        >>> targets = torch.zeros(1, 2), torch.tensor([0]), torch.tensor([1])
        >>> asked = Asked(lambda: torch.nn.Linear(2, 2), targets=targets, rounds=5)
        >>> asked.nodes, asked.attackers
        (10, 1)
    """

    model: Make
    targets: TargetSamples | tuple[Tensor, Tensor, Tensor] | None = None
    goal: Goal | None = None
    test: Samples | tuple[Tensor, Tensor] | None = None
    data: Callable[[Context], Samples | tuple[Tensor, Tensor]] | None = None
    nodes: int = 10
    attackers: int = 1
    rounds: int | None = None
    seeds: Sequence[int] = (0, 1, 2)

    def malicious(self, plan: Plan, seed: int) -> Malicious:
        """Return who attacks."""
        first = self.nodes - self.attackers
        return Malicious(
            plan.attack,
            when=lambda context: int(context.node_config["partition-id"]) >= first,
            model=self.model,
            targets=self.targets,
            goal=self.goal,
            data=self.data,
            claim=plan.claim,
            start=plan.start,
            team=self.attackers,
            local=SMALL if plan.start == "trained" else None,
            seed=seed,
        )


@dataclass(frozen=True)
class Trial:
    """One federation.

    Attributes:
        defence: in place of the app's strategy.
        attack: by name; ``None`` for the control.
        seed: of its draws.
        rounds: what each global model answers.
        acts: what attackers did.
        strategy: ``module:Class`` of the app's strategy; empty if none began.
        fault: how it ended before its time; empty if it did not.
        success: whether the last global model does what attackers want; ``None`` where nothing was aggregated.

    Example:
        >>> from fedlens.bridges.flower import Trial
        >>> Trial("the app's own", "claim", seed=0).acts
        ()
    """

    defence: str
    attack: str | None
    seed: int
    rounds: Sequence[Measured] = ()
    acts: Sequence[Act] = ()
    strategy: str = ""
    fault: str = ""
    success: bool | None = None


@dataclass(frozen=True)
class Tried:
    """What came of it.

    Attributes:
        app: its name.
        asked: what was asked.
        trials: the federations.
        left_out: attacks and defences that could not be tried, with the reason.

    Example:
        >>> import torch
        >>> from fedlens.bridges.flower import Asked, Tried
        >>> Tried("my_app", Asked(lambda: torch.nn.Linear(2, 2)), trials=[]).left_out
        {}
    """

    app: str
    asked: Asked
    trials: Sequence[Trial]
    left_out: Mapping[str, str] = field(default_factory=dict)


def try_app(
    app: App,
    asked: Asked,
    attacks: Mapping[str, Plan] = USUAL,
    defences: Sequence[str] = DEFENCES,
    tell: Callable[[Trial], None] = lambda _: None,
) -> Tried:
    """Put an app to the test.

    Args:
        app: the app.
        asked: what is asked.
        attacks: by names.
        defences: some of `DEFENCES`.
        tell: called with each federation.

    Raises:
        ConfigError: something does not suit the app, or nothing is asked.

    Example:
        >>> import torch
        >>> from fedlens.bridges.flower import Asked, load_app, try_app
        >>> targets = torch.zeros(1, 2), torch.tensor([0]), torch.tensor([1])
        >>> asked = Asked(lambda: torch.nn.Linear(2, 2), targets=targets)
        >>> tried = try_app(load_app("my_app"), asked)  # doctest: +SKIP
    """
    if asked.targets is None and asked.goal is None:
        raise ConfigError("targets: nothing is wanted; e.g. --targets mine:targets")
    if not 0 < asked.attackers < asked.nodes:
        raise ConfigError(f"attackers: {asked.attackers} of {asked.nodes} nodes; at least one, but not all, is right")
    if unknown := [name for name in defences if name not in DEFENCES]:
        raise ConfigError(f"defences: there is no {unknown[0]!r}; there are {', '.join(DEFENCES)}")
    left_out, suitable = {}, {}
    for name, plan in attacks.items():
        if name == "alternating-minimisation" and asked.data is None:
            left_out[name] = "it looks at the client's samples, and none are given (--data mine:data)"
            continue
        asked.malicious(plan, 0)  # which says at once what does not suit
        suitable[name] = plan
    trials: list[Trial] = []
    for defence in defences:
        for seed in asked.seeds:
            control = _played(app, asked, defence, seed)
            if control.fault and not trials and defence == OWN:
                raise ConfigError(f"app: without any attack, it ends with an error: {control.fault}")
            if control.fault:
                left_out[defence] = control.fault
                break
            for trial in (control, *_attacked(app, asked, suitable, control)):
                tell(trial)
                trials.append(trial)
    return Tried(app.name, asked, trials, left_out)


def _attacked(app: App, asked: Asked, attacks: Mapping[str, Plan], control: Trial) -> Iterator[Trial]:
    for name, plan in attacks.items():
        yield _played(app, asked, control.defence, control.seed, (name, plan, control))


def _played(app: App, asked: Asked, defence: str, seed: int, attacked: tuple[str, Plan, Trial] | None = None) -> Trial:
    """Play a federation, attacked (by name, plan and control) or not."""
    name, plan, control = attacked or (None, None, None)
    malicious = None if plan is None else asked.malicious(plan, seed)
    client = app.client if malicious is None else Attacked(app.client, malicious)
    fault, found = "", Played([], None)
    make = None if defence == OWN else partial(defended, defence=defence, nodes=asked.nodes, attackers=asked.attackers)
    with _quiet(), starting(make, asked.rounds) as begun:
        try:
            found = play(app.server, client, nodes=asked.nodes, seed=seed, run_config=app.run_config)
        except FedlensError:
            raise
        except UnsuitableError as error:
            fault = str(error)
        except Exception as error:  # whatever a strategy stumbles over
            fault = told(error)
    rounds = measured(found.models, asked.model, targets=asked.targets, goal=asked.goal, test=asked.test)
    errors = [f"node {part}: {words}" for exchange in found.rounds for part, words in exchange.errors.items()]
    if not fault and control is None and errors:
        fault = errors[0]
    strategy = public_name(type(begun[-1])) if begun else ""
    acts = () if malicious is None else tuple(malicious.acts)
    return Trial(defence, name, seed, rounds, acts, strategy, fault, _success(rounds, asked, control))


def _success(rounds: Sequence[Measured], asked: Asked, control: Trial | None) -> bool | None:
    if not rounds:
        return None
    last = rounds[-1]
    if asked.goal is None:
        return last.targets is not None and last.targets.success
    if control is None or not control.rounds:
        return False
    twin = control.rounds[-1]
    return asked.goal.met(Standing(last.accuracy, last.backdoor), Standing(twin.accuracy, twin.backdoor))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let neither Flower nor malicious nodes log what they do in each round; warnings of both are in the results."""
    loggers = [logging.getLogger(name) for name in ("flwr", "fedlens")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
