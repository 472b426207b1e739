"""Every arm on every forked round, and those that cannot."""

from auditing import audited

from fedlens.simulation.runtime import Runtime
from fedlens.studies.audit.arms import Arm
from fedlens.studies.audit.forked_round import ForkedRound
from fedlens.studies.audit.forks import forks_of
from fedlens.studies.audit.screening import Unfit, screen


def test_arms_attack_each_round_in_their_order() -> None:
    arms = [
        Arm("explicit-boosting", {"epochs": 1, "threshold": None}),
        Arm("explicit-boosting", {"epochs": 1, "threshold": None}, "last third"),
        Arm("sign-flipping"),
        Arm("alternating-minimisation", {"epochs": 1, "ls": 10_000}),
        Arm("data-poisoning"),
    ]
    with forks_of(audited(), Runtime(engine="serial")) as forks:
        found = list(screen(forks, arms))
    told = [(one.arm, one.round) if isinstance(one, ForkedRound) else one.arm for one in found]
    boosting, poisoning = arms[0].name, arms[4].name
    assert told == [(boosting, 1), (boosting, 2), arms[2].name, arms[3].name, (poisoning, 1), (poisoning, 2)]
    damaging, long = (one for one in found if isinstance(one, Unfit))
    assert "only damages the model" in damaging.reason
    assert "ls" in long.reason
