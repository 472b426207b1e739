import pytest

from fedlens.analysis.interval_words import headed, interval_words, lacking
from fedlens.analysis.intervals import Interval

COVERS = Interval(0.526, 0.48, 0.57, (0.4, 0.6), 9, 5)
FEW = Interval(0.526, None, None, (0.4, 0.6), 4, 5)
DEPENDENT = Interval(0.526, None, None, (0.4, 0.6), 9, None)
SAME = Interval(0.0, None, None, (0.0, 0.0), 2, 5)
ONE = Interval(0.526, None, None, (0.526, 0.526), 1, 5)


@pytest.mark.parametrize(
    ("interval", "words", "head"),
    [
        (None, "–", "median"),
        (COVERS, "0.53 [0.48, 0.57]", "median [95 % interval]"),
        (FEW, "0.53, range 0.40 to 0.60", "median, range of the seeds"),
        (DEPENDENT, "0.53, range 0.40 to 0.60", "median, range of the seeds"),
        (ONE, "0.53", "median"),
        (SAME, "0.00, each of 2 seeds", "median, range of the seeds"),
    ],
)
def test_a_value_with_its_interval_or_the_range_of_the_seeds(interval: Interval | None, words: str, head: str) -> None:
    assert interval_words(interval) == words
    assert headed("median", [interval, None]) == head


def test_a_column_of_intervals_and_ranges_is_called_both() -> None:
    assert headed("median", [COVERS, FEW]) == "median [95 % interval] or range of the seeds"


def test_numbers_are_written_as_asked() -> None:
    assert interval_words(COVERS, "{:.0%}".format) == "53% [48%, 57%]"


def test_what_an_interval_takes() -> None:
    assert lacking([None, COVERS, DEPENDENT]) is None
    assert lacking([COVERS, FEW]) == (
        "too few seeds for a 95 % interval, which takes 5; their range is shown instead, from the smallest to the "
        "largest"
    )
