from typing import Any

import pytest
from helpers.recorded import ATTACKED, control, met, record

from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import counts, taken


def test_confidence_is_the_mean_over_the_samples() -> None:
    outcome = record(1, [1, 4, 5], target={"confidence": [0.2, 0.6], "true_confidence": [0.1, 0.2]}).outcome
    assert outcome.mean_confidence == 0.4
    assert abs(outcome.mean_true_confidence - 0.15) < 1e-12


def test_to_attack_is_to_have_acted() -> None:
    attacker = record(1, [1, 4, 5]).attacker
    assert attacker is not None
    assert attacker.client == 4
    waiting = record(1, [1, 4, 5], attack={"acted": False})
    assert waiting.attacker is None
    assert waiting.malicious is not None
    assert record(1, [1, 2, 5]).malicious is None


def test_a_success_counts_unless_the_placebo_has_it_as_well() -> None:
    assert not counts(ATTACKED, [record(1, [1, 4, 5])])
    assert counts(ATTACKED, [met(1, None)])
    assert counts(ATTACKED, [met(1, control(0.4))])
    assert not counts(ATTACKED, [met(1, control(0.4, success=True))])
    assert counts(ATTACKED, [met(1, control(0.4, success=True)), met(2, control(0.4))])
    assert not counts(ATTACKED, [record(1, [1, 4, 5], placebo=control(0.4, success=True))])


TAKES_ANOTHER: dict[str, Any] = {"shares": [1, 0, 0]}
CANNOT_TELL: dict[str, Any] = {"shares": None}
SKIPPED: dict[str, Any] = {"shares": [0, 0, 0], "skipped": "too few"}


@pytest.mark.parametrize(
    ("rounds", "found"),
    [
        ([TAKES_ANOTHER, TAKES_ANOTHER], False),
        ([{"shares": [0.5, 0.5, 0]}], True),
        ([{"shares": [0.5, -0.5, 1]}], True),  # a rule may take an update's opposite
        ([{"shares": [0, 1, 0]}, TAKES_ANOTHER], True),  # whose effect may last
        ([TAKES_ANOTHER, CANNOT_TELL], None),
        ([CANNOT_TELL, {"shares": [0, 1, 0]}], True),
        ([SKIPPED], False),
        ([CANNOT_TELL | {"skipped": "too few"}], False),
        ([{"shares": [0, 1, 0], "attack": {"acted": False}}], False),  # the update was honest
        ([{"shares": [0, 0, 1], "cohort": [1, 2, 5]}], False),
    ],
)
def test_an_update_is_taken_if_it_has_weight(rounds: list[dict[str, Any]], found: bool | None) -> None:
    records = [met(number, None, **changes) for number, changes in enumerate(rounds, 1)]
    assert taken(records) is found
    assert counts(ATTACKED, records) == (found is not False)
    assert counts(Experiment(), records)


def test_rounds_from_before_there_were_placebos_say_nothing_of_them() -> None:
    old = record(1, [1, 4, 5])
    assert (old.version, met(1, None).version) == (0, 1)
    assert (old.knows_placebos, met(1, None).knows_placebos) == (False, True)
    assert old.placebo is None
    assert not counts(ATTACKED, [old])
