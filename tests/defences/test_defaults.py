"""What every option is where it is not given, where its values begin and end, and what components say they are."""

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import Any, NamedTuple, get_args

import pytest

from fedlens import defences
from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.registry import BUILT_IN
from fedlens.defences import (
    Aggregate,
    Forward,
    Inspection,
    Judgement,
    Received,
    Report,
    Server,
    State,
    Step,
    Updates,
    Validation,
    Verdict,
)
from fedlens.defences.over import Over


class Range(NamedTuple):
    """The outermost values that an option takes, and the next ones, which it refuses."""

    taken: tuple[float, ...] = ()
    refused: tuple[float, ...] = ()


WORDS = Range()
COUNT = Range(taken=(0, 10**6), refused=(-1,))
FROM_1 = Range(taken=(1, 10**6), refused=(0,))
FROM_2 = Range(taken=(2, 10**6), refused=(1,))
FROM_0 = Range(taken=(0, 1e300), refused=(-1e-300,))
ABOVE_0 = Range(taken=(1e-300, 1e300), refused=(0,))
UP_TO_1 = Range(taken=(0, 1), refused=(-1e-300, 1 + 1e-15))
BELOW_1 = Range(taken=(0, 1 - 1e-15), refused=(-1e-300, 1))
SHARE = Range(taken=(1e-300, 1), refused=(0, 1 + 1e-15))

F = {"f": (1, COUNT)}
SIGNS = {
    "lower": (0.1, Range(taken=(0, 2.9), refused=(-1e-300, 3))),
    "upper": (3.0, Range(taken=(0.11, 1e300), refused=(0.1, 0))),
    "share": (0.1, SHARE),
    "clustering": ("mean-shift", WORDS),
    "variant": ("plain", WORDS),
}
INSPECTED = {
    "inputs": (20_000, FROM_1),
    "draws": (3, FROM_1),
    "min_cluster_size": (2, FROM_2),
    "min_samples": (1, FROM_1),
}
POINTS = {"far": (10.0, ABOVE_0), "far_within": (4.0, ABOVE_0), "most_groups": (5, FROM_2), "references": (10, FROM_1)}
OVER = {"over": ("parameters", WORDS)}
CHOOSING = {"squared": (True, WORDS), "neighbours": ("n-f-2", WORDS), "include_biases": (True, WORDS)}

OPTIONS: Mapping[str, Mapping[str, tuple[Any, Range]]] = {
    "AccuracyCheck": {"threshold": (0.1, UP_TO_1)},
    "AdaptiveRobustClipping": F,
    "Bucketing": {"s": (2, FROM_1)},
    "Bulyan": F,
    "CentredClipping": {"tau": (10.0, ABOVE_0), "iterations": (1, FROM_1)},
    "Clip": {"max_norm": (1, ABOVE_0)},
    "Crfl": {
        "rho": (2.0, ABOVE_0),
        "growth": (0.1, FROM_0),
        "most": (15.0, ABOVE_0),
        "sigma": (0.01, FROM_0),
        "last": (None, FROM_1),
    },
    "DeepSight": INSPECTED,
    "DeepSightFilter": INSPECTED,
    "DistanceCheck": {"margin": (0.0, BELOW_1), **OVER},
    "DivideAndConquer": {**F, "c": (1.0, ABOVE_0), "entries": (10_000, FROM_1), "iterations": (1, FROM_1)},
    "FLDetector": {"window": (10, FROM_1), "start": (50, FROM_1)},
    "Flanders": {**F, "window": (10, FROM_2), "entries": (500, FROM_1), "iterations": (100, FROM_1)},
    "FedAdam": {
        "learning_rate": (0.01, ABOVE_0),
        "beta1": (0.9, BELOW_1),
        "beta2": (0.99, BELOW_1),
        "tau": (0.001, ABOVE_0),
    },
    "FedAvgM": {"learning_rate": (1.0, ABOVE_0), "momentum": (0.9, BELOW_1)},
    "Flame": {"noise": (0.001, FROM_0)},
    "FoolsGold": {"kappa": (1.0, ABOVE_0), "remember": ("all", WORDS), "normalise": (True, WORDS)},
    "FreqFed": {"cutoff": (0.25, SHARE)},
    "FreqFedFilter": {"cutoff": (0.25, SHARE)},
    "GeometricMedian": {
        "weighted": (False, WORDS),
        "smoothing": (1e-6, ABOVE_0),
        "tolerance": (1e-8, ABOVE_0),
        "steps": (1000, FROM_1),
    },
    "Krum": {**F, **CHOOSING},
    "KrumAuthors": F,
    "MedianNoise": {"factor": (0.001, FROM_0)},
    "MultiKrum": {**F, "m": (None, FROM_1), **CHOOSING},
    "MultiMetrics": {"keep": (0.3, SHARE)},
    "NearestNeighbourMixing": {**F, **OVER},
    "NormClipping": {"max_norm": (1, ABOVE_0), "noise": (0.0, FROM_0)},
    "NormFilter": {"max_norm": (None, ABOVE_0), "factor": (None, ABOVE_0), **OVER},
    "Rflbat": POINTS,
    "RflbatFilter": POINTS,
    "RobustLearningRate": {"theta": (1, COUNT)},
    "SignGuard": SIGNS,
    "SignGuardFilter": SIGNS,
    "StatisticsCheck": {"bins": (500, FROM_1), "limit": (0.2, ABOVE_0), "false_alarms": (0.01, SHARE), **OVER},
    "TrimmedMean": F,
}
"""The options of components but for `action`: their defaults, or a value where there is none, and their range."""


FACTS: Mapping[str, set[str]] = {
    "averages": {
        *("Mean", "NormClipping", "Clip", "Bucketing", "MedianNoise"),
        *("DeepSightFilter", "DivideAndConquer", "FLDetector", "FlameFilter", "Flanders", "FreqFedFilter"),
        *("MultiMetrics", "RflbatFilter", "SignGuardFilter"),
    },
    "blends": {"Bucketing", "NearestNeighbourMixing", "RobustLearningRate"},
    "by_client": {"FLDetector", "Flanders", "FoolsGold"},
    "coordinatewise": {"Median", "TrimmedMean"},
    "needs_lengths": {"MedianClip", "MedianNoise"},
    "needs_model": {"DeepSight", "DeepSightFilter"},
    "needs_root": {"FLTrust"},
    "sees": {"Mean", "FedAvgM", "FedAdam", "Crfl"},
    "sees_buffers": set(),
    "validates": {"AccuracyCheck"},
}
"""Which components say so of themselves; of `sees`, that it is the sum alone."""


def classes() -> list[str]:
    """The classes of all rules, stages and checks."""
    return [path.rpartition(":")[2] for kind in ("aggregation", "stage", "checks") for path in BUILT_IN[kind].values()]


def made(name: str, **options: object) -> Config:
    """A component with these options, and those without which there is none."""
    cls: type[Config] = getattr(defences, name)
    given = {option: OPTIONS[name][option][0] for option, field in cls.model_fields.items() if field.is_required()}
    return cls(**{**given, **options})


@pytest.mark.parametrize("name", OPTIONS)
def test_options_and_their_ranges(name: str) -> None:
    defaults = {option: default for option, (default, _) in OPTIONS[name].items()}
    assert {option: value for option, value in made(name) if option != "action"} == defaults
    for option, (_, values) in OPTIONS[name].items():
        for value in values.taken:
            assert getattr(made(name, **{option: value}), option) == value
        for value in values.refused:
            with pytest.raises(ConfigError):
                made(name, **{option: value})


def test_every_component_is_in_the_table_and_only_checks_observe() -> None:
    fields = {name: getattr(defences, name).model_fields for name in classes()}
    assert {name for name, of in fields.items() if of.keys() - {"action"}} == set(OPTIONS)
    actions = {name: of["action"].default for name, of in fields.items() if "action" in of}
    checks = {"AccuracyCheck", "DistanceCheck", "NormFilter", "StatisticsCheck"}
    assert {name for name, action in actions.items() if action == "observe"} == checks
    assert {name for name, action in actions.items() if action == "reject"} == actions.keys() - checks


@pytest.mark.parametrize("fact", FACTS)
def test_what_components_say_of_themselves(fact: str) -> None:
    assert {name for name in classes() if getattr(made(name), fact, False) in {True, "sum"}} == FACTS[fact]


def test_checks_over_all_see_buffers() -> None:
    for name in ("DistanceCheck", "NormFilter", "StatisticsCheck"):
        assert [made(name, over=over).sees_buffers for over in get_args(Over)] == [True, False, False, False]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "handed",
    [Aggregate, Forward, Inspection, Judgement, Received, Report, Server, State, Step, Updates, Validation, Verdict],
)
def test_nobody_changes_what_all_are_handed(handed: type) -> None:
    with pytest.raises(FrozenInstanceError):
        object.__new__(handed).anything = 1
