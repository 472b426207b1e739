import pytest

from fedlens.analysis.interval_words import ends_words, interval_words, lacking
from fedlens.analysis.intervals import Interval

COVERS = Interval(0.526, 0.48, 0.57, (0.4, 0.6), 9, 5)
FEW = Interval(0.526, None, None, (0.4, 0.6), 4, 5)
DEPENDENT = Interval(0.526, None, None, (0.4, 0.6), 9, None)
SAME = Interval(0.0, None, None, (0.0, 0.0), 2, 5)
ONE = Interval(0.526, None, None, (0.526, 0.526), 1, 5)


@pytest.mark.parametrize(
    ("interval", "words", "ends"),
    [
        (None, "–", "–"),
        (COVERS, "0.53 [0.48, 0.57]", "0.48 to 0.57"),
        (FEW, "0.53, range 0.40 to 0.60", "range 0.40 to 0.60"),
        (DEPENDENT, "0.53, range 0.40 to 0.60", "range 0.40 to 0.60"),
        (ONE, "0.53", "–"),
        (SAME, "0.00, each of 2 seeds", "each of 2 seeds"),
    ],
)
def test_a_value_with_its_interval_or_the_range_of_the_seeds(interval: Interval | None, words: str, ends: str) -> None:
    assert interval_words(interval) == words
    assert ends_words(interval, "{:.2f}".format) == ends


def test_numbers_are_written_as_asked() -> None:
    assert interval_words(COVERS, "{:.0%}".format) == "53% [48%, 57%]"


def test_what_an_interval_takes() -> None:
    assert lacking([None, COVERS, DEPENDENT]) is None
    assert lacking([COVERS, FEW]) == (
        "too few seeds for a 95 % interval, which takes 5; their range is shown instead, from the smallest to the "
        "largest"
    )
