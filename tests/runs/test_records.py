from recorded import ATTACKED, control, met, record

from fedlens.runs.records import beside, confidence, counts, guilt, guilty_client


def test_confidence_is_the_mean_over_the_samples() -> None:
    target = {"confidence": [0.2, 0.6], "true_confidence": [0.1, 0.2]}
    assert confidence(target) == 0.4
    assert abs(confidence(target, "true_confidence") - 0.15) < 1e-12


def test_guilt_is_to_have_acted() -> None:
    assert guilty_client(ATTACKED, record(1, [1, 4, 5])) == 4
    assert guilty_client(ATTACKED, record(1, [1, 4, 5], attack={"acted": False})) is None
    assert guilty_client(ATTACKED, record(1, [1, 2, 5])) is None


def test_guilt_stands_in_the_order_of_the_cohort() -> None:
    assert guilt(ATTACKED, record(1, [5, 4, 1])) == [False, True, False]
    assert guilt(ATTACKED, record(1, [5, 4, 1], attack={"acted": False})) == [False] * 3


def test_a_success_counts_unless_the_placebo_has_it_as_well() -> None:
    assert not counts(record(1, [1, 4, 5]))
    assert counts(met(1, None))
    assert counts(met(1, control(0.4)))
    assert not counts(met(1, control(0.4, success=True)))
    assert not counts(record(1, [1, 4, 5], placebo=control(0.4, success=True)))


def test_rounds_from_before_there_were_placebos_say_nothing_of_them() -> None:
    old = record(1, [1, 4, 5])
    assert "placebo" not in old
    assert beside(old, "placebo") == beside(met(1, None), "placebo") == {}
    assert not counts(old)
