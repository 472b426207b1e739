"""Malicious clients that lie about how many samples they have."""

from typing import Any

import pytest
import torch
from small import small

from fedlens.analysis.flags import flags
from fedlens.attacks.explicit_boosting import ExplicitBoosting
from fedlens.core.errors import ConfigError
from fedlens.experiment.experiment import Experiment
from fedlens.experiment.setting import prepare
from fedlens.simulation.simulation import simulate

LYING = {"name": "explicit-boosting", "boost": 1, "claim": 97, "delay": 2, "until": 3}


def made(**changes: Any) -> Experiment:
    return small(
        **{"clients": 4, "rounds": 3, "attack": LYING, "control": False, "target": {"select": "random"}} | changes
    )


def about(*values: float) -> Any:
    """Shards are of 359 or 360 samples."""
    return pytest.approx(list(values), abs=2e-3)


def test_weights_by_hand() -> None:
    """97 of 97 + 3 clients' samples in round 2 alone; in a team, each claims for itself."""
    one = prepare(made())
    assert one.alpha([0, 1, 3], 1).tolist() == about(*[1 / 3] * 3)
    assert one.alpha([0, 1, 2, 3], 2).tolist() == about(0.01, 0.01, 0.01, 0.97)
    assert one.alpha([0, 1, 2], 2).tolist() == about(*[1 / 3] * 3)
    assert one.alpha([0, 1, 2, 3], 3).tolist() == about(*[0.25] * 4)
    two = prepare(made(attackers={"count": 2}))
    assert two.alpha([0, 1, 2, 3], 2).tolist() == about(1 / 196, 1 / 196, 97 / 196, 97 / 196)


@pytest.mark.parametrize("engine", ["serial", "processes", "vectorised"])
def test_the_mean_believes_it_and_boosting_by_one_over_alpha_need_not(engine: Any) -> None:
    results = list(simulate(made(attack={**LYING, "boost": "auto"}), engine=engine))
    attacks = [result.record.malicious.attack for result in results]
    assert [attack.alpha for attack in attacks if attack is not None and attack.acted] == about(0.97)
    assert attacks[1] is not None
    assert attacks[1].log["boost"] == pytest.approx(1 / 0.97, rel=1e-3)
    weights = [[client.effective_weight for client in result.record.clients] for result in results]
    assert weights == [about(*expected) for expected in ([0.25] * 4, [0.01, 0.01, 0.01, 0.97], [0.25] * 4)]


def test_a_rule_that_counts_all_alike_does_not_care() -> None:
    told, lying = (list(simulate(made(aggregation="median", attack={**LYING, "claim": claim}))) for claim in (1, 97))
    assert torch.equal(told[-1].state.weights, lying[-1].state.weights)


def test_the_twin_and_the_placebo_tell_the_truth() -> None:
    twin = prepare(made().twin())
    assert twin.alpha([0, 1, 2, 3], 2).tolist() == about(*[0.25] * 4)


def test_it_is_flagged() -> None:
    records = [result.record for result in simulate(made())]
    assert "the attackers say to have 97 times as many samples as they have" in flags(made(), records)
    honest = made(attack={**LYING, "claim": 1})
    assert not any("say to have" in flag for flag in flags(honest, [result.record for result in simulate(honest)]))


def test_to_a_server_that_knows_nobody_can_lie() -> None:
    assert made(sample_counts="known", attack={**LYING, "claim": 1}).sample_counts == "known"
    with pytest.raises(ConfigError, match=r"attack\.claim: the server knows how many samples clients have; e\.g\. -o"):
        made(sample_counts="known")


def test_identities_of_before_stay_and_a_claim_has_its_own() -> None:
    plain = made(attack=ExplicitBoosting(boost=1))
    assert plain.identity() == made(attack=ExplicitBoosting(boost=1, claim=1), sample_counts="claimed").identity()
    assert plain.identity() != made(attack=ExplicitBoosting(boost=1, claim=2)).identity()
    assert plain.identity() != made(attack=ExplicitBoosting(boost=1), sample_counts="known").identity()
