from recorded import ATTACKED, record

from fedlens.runs.records import confidence, guilt, guilty_client


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
