"""The attacks that an audit tries: a frozen, versioned list, so that two audits of the same version tried the same.

The list of a version never changes: a later attack, or another value, goes into another version. It begins with every
attack at its defaults; for one that has none, with the first value of the option that it needs. Then come attacks that
boost nothing, but lie about how many samples they have, and all attacks with one knob turned, and then with two, the
most used attacks first. Which of them suit an experiment depends on its
goal, its server and its attackers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from itertools import chain, combinations, product
from typing import Any, Literal

from fedlens.attacks.attack import Attack
from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.registry import known, resolve
from fedlens.experiment.agreement import attacking
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import targeted
from fedlens.studies.audit.changing import with_attack

VERSION = "audit-2"

Window = Literal["every round", "last third"]

Knobs = Mapping[str, Sequence[Any]]
"""What options are turned to, besides their defaults."""

FROM_AUTO: Knobs = {"boost": (0.2, 1, 2, 5, 50)}
FROM_ONE: Knobs = {"boost": (0.2, 2, 5, "auto", 50)}
ESTIMATES: Knobs = {"estimate": ("pre", "post")}

REQUIRED: Mapping[str, Knobs] = {
    "inner-product-manipulation": {"eps": (0.5, 0.1, 1, 2, 10, 100)},
    "train-and-scale": {"bound": (3, 1, 10, 100)},
    "constrain-and-scale": {"alpha": (0.7, 0.3, 0.9)},
}
"""Options without a default: the first value is what stands for one."""

TURNED: Mapping[str, Knobs] = {
    "explicit-boosting": {**FROM_AUTO, "epochs": (2, 10), **ESTIMATES},
    "alternating-minimisation": {
        **FROM_AUTO,
        "ls": (1,),
        "epochs": (2, 5),
        "evaluate_at": ("global",),
        "constraint": ({"rho": 1e-5}, {"rho": 1e-4}, {"rho": 1e-3}),
        **ESTIMATES,
    },
    "implicit-boosting": {**FROM_AUTO, "epochs": (2, 10), **ESTIMATES},
    "simultaneous-training": {**FROM_AUTO, "epochs": (2, 10), **ESTIMATES},
    "data-poisoning": FROM_ONE,
    "badnets": {},
    "model-replacement": FROM_AUTO,
    "pgd": {**FROM_ONE, "radius": (0.3, 1, 10)},
    "neurotoxin": {**FROM_ONE, "top": (0.01, 0.2)},
    "chameleon": FROM_ONE,
    "dba": FROM_ONE,
    "a3fl": FROM_ONE,
    "train-and-scale": {},
    "constrain-and-scale": FROM_AUTO,
    "inner-product-manipulation": {},
    "a-little-is-enough": {"sees": ("all",), "z": (0.5, 1, 1.5, 3), "sign": ("plus",)},
    "min-max": {"direction": ("unit", "sign"), "sees": ("team",)},
    "min-sum": {"direction": ("unit", "sign"), "sees": ("team",)},
    "fang-trimmed-mean": {"b": (4, 10), "sees": ("team",)},
    "fang-krum": {"sees": ("team",)},
    "agr-tailored": {"direction": ("unit", "sign")},
    "adaptive-ipm": {},
    "sign-flipping": {"c": (2, 5, 10), "flips": ("mean", "gradient")},
    "label-flipping": {**FROM_ONE, "form": ("next",)},
    "dynamic-label-flipping": {},
    "gaussian": {"form": ("added", "own-length"), "sigma": (0.1, 1)},
    "free-rider": {"form": ("delta",)},
    "mimic": {},
}
"""The zoo, and its knobs."""

CAUTIONS = (1.0, 0.85, 0.7)
"""What `anticipate` multiplies the simulated deviations of the others by."""

CLAIM = 1000
"""How many times their number of samples attackers say to have, of those that do."""
CLAIMING: Mapping[str, Mapping[str, Any]] = {
    "explicit-boosting": {"boost": 1},
    "alternating-minimisation": {"boost": 1},
    "simultaneous-training": {"boost": 1},
    "badnets": {},
    "sign-flipping": {},
}
"""Attacks that do so, and what else they are told."""


@dataclass(frozen=True)
class Arm:
    """An attack with its options, and when it acts in a whole federation.

    Attributes:
        attack: its name in the registry.
        options: what is not at its default; a mapping within is a component's.
        window: in which rounds it attacks.

    Example:
        >>> from fedlens.studies.audit.arms import Arm
        >>> Arm("explicit-boosting", {"boost": 0.2}).name
        'explicit-boosting boost=0.2'
    """

    attack: str
    options: Mapping[str, Any] = field(default_factory=dict)
    window: Window = "every round"

    @property
    def name(self) -> str:
        """What to call it."""
        flat = {key: value for key, value in self.options.items() if not isinstance(value, Mapping)}
        for nested in (value for value in self.options.values() if isinstance(value, Mapping)):
            flat |= nested
        words = [f"{key}={value}" for key, value in flat.items()]
        return " ".join([self.attack, *words, *(["in the last third"] if self.window == "last third" else [])])

    @property
    def adaptive(self) -> bool:
        """Whether it adapts to the server, as `anticipate` does."""
        return self.attack == "anticipate"

    def made(self, experiment: Experiment) -> Attack:
        """Return the attack as it attacks `experiment`: ``auto`` boosting is 1/Σα, whatever the rule.

        Raises:
            ConfigError: there is no such attack, it does not suit the experiment, or it aims at something else.
        """
        if self.attack not in known("attack"):
            raise ConfigError(f"attack: there is no {self.attack}; leave the arm out")
        attack = validate(resolve("attack", self.attack), dict(self.options), "attack")
        assert isinstance(attack, Attack)
        changes: dict[str, Any] = {}
        if attack.boost == "auto" and attack.divided and experiment.server.averages is False:
            changes["boost"] = _share_of_one(experiment)
        if self.window == "last third":
            changes["delay"] = 2 * experiment.rounds // 3 + 1
        attack = attack.model_copy(update=changes)
        made = with_attack(experiment, attack)
        if (experiment.goal is None or experiment.goal.asks) and not targeted(made):
            raise ConfigError(f"attack: {self.attack} only damages the model; -o goal=damage")
        assert made.attack is not None
        return made.attack


def _share_of_one(experiment: Experiment) -> float:
    """Return 1/Σα of the attackers in a cohort, if all clients have as many samples."""
    cohort = experiment.cohort_size
    return cohort / attacking(experiment.attackers, experiment.clients, cohort)


@cache
def frozen() -> tuple[Arm, ...]:
    """Return all arms of this version, in their order, with those of attacks that are not there yet."""
    adaptive = [
        Arm("anticipate", {"caution": caution}, window)
        for window in ("every round", "last third")
        for caution in CAUTIONS
    ]  # fmt: skip
    adaptive.append(Arm("anticipate", {"caution": 0.85, "claim": CLAIM}))
    claiming = [Arm(attack, {**options, "claim": CLAIM}) for attack, options in CLAIMING.items()]
    plain, *turned = ([Arm(attack, options) for attack, options in _zoo(count)] for count in range(3))
    return (*adaptive, *plain, *claiming, *chain.from_iterable(turned))


def _zoo(turned: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every attack with so many knobs turned."""
    for attack, knobs in TURNED.items():
        required = REQUIRED.get(attack, {})
        first = {option: values[0] for option, values in required.items()}
        others = {option: values[1:] for option, values in required.items()}
        for chosen in combinations((*others.items(), *knobs.items()), turned):
            for values in product(*(values for _, values in chosen)):
                yield attack, first | dict(zip([option for option, _ in chosen], values, strict=True))


def with_both_kinds(kept: Sequence[Arm], ordered: Sequence[Arm]) -> list[Arm]:
    """Return those kept, with the best adaptive and the best fixed arm in place of the last where one is missing."""
    found = list(kept)
    for adaptive in (True, False):
        kind = [arm for arm in ordered if arm.adaptive == adaptive]
        if kind and not any(arm.adaptive == adaptive for arm in found):
            found = [*found[: max(len(found) - 1, 1)], kind[0]]
    return found


def digest(arms: Sequence[Arm]) -> str:
    """Digest what the arms are, in their order."""
    return hashlib.blake2b(json.dumps([asdict(arm) for arm in arms]).encode(), digest_size=8).hexdigest()


def arms_for(experiment: Experiment) -> tuple[list[Arm], dict[str, str]]:
    """Return the arms that suit an experiment, in their order, and why each of the others does not, by its name."""
    fitting, unfit = [], {}
    for arm in frozen():
        try:
            arm.made(experiment)
            fitting.append(arm)
        except ConfigError as error:
            unfit[arm.name] = str(error)
    return fitting, unfit
