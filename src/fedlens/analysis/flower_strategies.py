"""What strategies of Flower do otherwise than their definitions, or than one would expect of a server.

Each statement was found by calling the strategy, and a test calls it again (``tests/bridges/flower``), so that it fails
when Flower changes it. Files are those of flwr 1.41.0, where they were read on 1 December 2026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedlens.experiment.experiment import Experiment

FOUND_WITH, FOUND_ON, SAME_WITH = "1.41.0", "2026-12-01", "1.42.0"
MESSAGE, FORMER = "flwr.serverapp.strategy", "flwr.server.strategy"

AVERAGING = ("FedAvg", "FedProx", "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad")
CLIPPING = ("DifferentialPrivacyServerSideFixedClipping", "DifferentialPrivacyServerSideAdaptiveClipping")


@dataclass(frozen=True)
class Deviation:
    """A statement on strategies.

    Attributes:
        code: by which documents and tests name it.
        strategies: ``module:Class`` of those that it is on.
        words: what they do, after the strategy's name.
        file: where that is written, below ``flwr``.
        reference: the definition that it differs from, or why one would expect something else.
    """

    code: str
    strategies: tuple[str, ...]
    words: str
    file: str
    reference: str


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{module}:{name}" for module in (MESSAGE, FORMER) for name in names)


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{module}:{name}" for name in names)


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "gram-distances",
        _of(MESSAGE, "Krum", "MultiKrum", "Bulyan"),
        "computes squared distances as ‖x‖² + ‖y‖² − 2xy in float32, of weights in place of updates: where updates are "
        "short beside the weights, it chooses nearly at random",
        "serverapp/strategy/multikrum.py",
        "Blanchard et al. 2017: distances of the vectors that clients propose",
    ),
    Deviation(
        "claimed-weights",
        (f"{MESSAGE}:MultiKrum",),
        "weighs the chosen by the numbers of samples that they claim, so that one of them can be the whole mean",
        "serverapp/strategy/multikrum.py",
        "Blanchard et al. 2017: the plain mean of the chosen",
    ),
    Deviation(
        "claims-unbounded",
        (*_both(*AVERAGING), *_of(MESSAGE, "MultiKrum", *CLIPPING)),
        "believes any claimed number of samples: 10⁹ makes a client the model, and a negative one or NaN is used, too",
        "serverapp/strategy/strategy_utils.py, server/strategy/aggregate.py",
        "McMahan et al. 2017 weigh by numbers of samples, which a server cannot check",
    ),
    Deviation(
        "counters",
        (*_of(MESSAGE, "Krum", "MultiKrum", "Bulyan"), *_of(MESSAGE, CLIPPING[0])),
        "takes every array for weights, the counters of batch normalisation as well, which may outweigh all others in "
        "a distance or a norm",
        "serverapp/strategy/multikrum.py, serverapp/strategy/dp_fixed_clipping.py",
        "the definitions are of parameters",
    ),
    Deviation(
        "trimmed-fraction",
        _both("FedTrimmedAvg"),
        "cuts int(beta · n) at each end, in floating point: one fewer than f for beta = f/n in 63 of the 2,450 pairs "
        "up to n = 100, and nothing at all for f = 1 of n = 49 or 98",
        "serverapp/strategy/fedtrimmedavg.py, server/strategy/aggregate.py",
        "Yin et al. 2018: the largest and smallest beta · n are removed",
    ),
    Deviation(
        "one-pass",
        (f"{MESSAGE}:Bulyan",),
        "chooses its candidates by one pass of Multi-Krum",
        "serverapp/strategy/bulyan.py",
        "El Mhamdi et al. 2018: Krum is repeated on what is left, each time for one candidate",
    ),
    Deviation(
        "needs-an-option",
        (f"{FORMER}:Bulyan",),
        "raises TypeError in every round unless it is also given to_keep=0",
        "server/strategy/bulyan.py",
        "its own documentation names num_malicious_clients alone",
    ),
    Deviation(
        "zero-division",
        _of(MESSAGE, CLIPPING[0]),
        "ends the run by ZeroDivisionError where a client returns the model unchanged",
        "supercore/differential_privacy.py",
        "a length of zero needs no clipping",
    ),
    Deviation(
        "one-error",
        _of(MESSAGE, *CLIPPING),
        "drops the whole round if one client's reply is an error",
        "serverapp/strategy/dp_fixed_clipping.py",
        "one client can then keep all others from being heard",
    ),
    Deviation(
        "not-finite",
        _both("FedAvg", "FedProx", "FedAvgM", "FedMedian"),
        "passes on what is not finite: one client that sends NaN makes the model NaN",
        "serverapp/strategy/strategy_utils.py, server/strategy/aggregate.py",
        "a median of n values should withstand one of them",
    ),
    Deviation(
        "one-odd-reply",
        _of(MESSAGE, *AVERAGING, "FedMedian", "FedTrimmedAvg", "Krum", "MultiKrum", "Bulyan"),
        "raises InconsistentMessageReplies, which ends the run, if one reply has another array or metric",
        "serverapp/strategy/strategy_utils.py",
        "one client can end the run",
    ),
    Deviation(
        "any-number",
        _both("Krum"),
        "accepts any number of clients, f = 3 of 5 as well",
        "serverapp/strategy/multikrum.py, server/strategy/aggregate.py",
        "Blanchard et al. 2017: n ≥ 2f + 3",
    ),
    Deviation(
        "two-taus",
        _both("FedAdam"),
        "has another default of tau in each API, 1e-3 (Message) and 1e-9, and so takes other steps",
        "serverapp/strategy/fedadam.py, server/strategy/fedadam.py",
        "Reddi et al. 2021 use 1e-3",
    ),
)
"""All statements."""


@dataclass(frozen=True)
class Agreement:
    """A strategy that makes of updates what a rule of fedlens makes of them, where no statement applies.

    Attributes:
        strategy: its ``module:Class``.
        options: what it is called with.
        rule: the rule, and its options.
    """

    strategy: str
    options: Mapping[str, float]
    rule: Mapping[str, str | int]


AGREEING: tuple[Agreement, ...] = (
    *(Agreement(name, {}, {"name": "mean"}) for name in _both("FedAvg")),
    *(Agreement(name, {}, {"name": "median"}) for name in _both("FedMedian")),
    *(Agreement(name, {"beta": 0.25}, {"name": "trimmed-mean", "f": 3}) for name in _both("FedTrimmedAvg")),
    Agreement(f"{MESSAGE}:Krum", {"num_malicious_nodes": 2}, {"name": "krum", "f": 2}),
    Agreement(f"{FORMER}:Krum", {"num_malicious_clients": 2}, {"name": "krum", "f": 2}),
)
"""Those that were compared, on twelve updates about as long as the weights."""


def of_strategy(name: str) -> Iterator[Deviation]:
    """Yield the statements on a strategy, by its ``module:Class``."""
    return (deviation for deviation in DEVIATIONS if name in deviation.strategies)


def public_name(strategy: type) -> str:
    """Return a strategy's ``module:Class``, of the module from which users import it where it is Flower's own."""
    own = (module for module in (MESSAGE, FORMER) if strategy.__module__.startswith(f"{module}."))
    return f"{next(own, strategy.__module__)}:{strategy.__name__}"


def flower_flags(experiment: Experiment) -> list[str]:
    """Return a red flag for each statement on a strategy that an experiment's server uses."""
    makes = [_made(part) for _, part in experiment.server.components()]
    return [
        f"Flower's {make.partition(':')[2]} {deviation.words} ({deviation.file}, flwr {FOUND_WITH})"
        for make in makes
        for deviation in of_strategy(make)
    ]


def _made(part: Any) -> str:
    values: Mapping[str, Any] = getattr(part, "recorded_values", None) or {"make": getattr(part, "make", "")}
    make = values.get("make", "")
    return make if isinstance(make, str) else ""
