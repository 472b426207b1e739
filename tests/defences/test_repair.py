"""What is to be pasted in place of a chain that was refused."""

import pytest
from helpers.stages import Doubles, Pairs

from fedlens.core.errors import ConfigError
from fedlens.core.registry import Description
from fedlens.defences import Bucketing, Clip, DistanceCheck, FoolsGold, Krum, Mean, Median, NormFilter, SignGuard
from fedlens.defences.accuracy_check import AccuracyCheck
from fedlens.defences.links import Link
from fedlens.defences.repair import form_of, mended, repaired, to_paste

MEAN, KRUM, CLIP = Mean(), Krum(f=1), Clip(max_norm=1)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ([], []),
        ([MEAN], [MEAN]),
        ([MEAN, KRUM], [KRUM]),  # the last rule
        ([Doubles(), CLIP, MEAN], [CLIP, MEAN, Doubles()]),  # in order
        ([CLIP, CLIP, MEAN], [CLIP, CLIP, MEAN]),  # mixing may come twice,
        ([DistanceCheck(), DistanceCheck(margin=0.5)], [DistanceCheck(margin=0.5)]),  # but filters may not
        ([DistanceCheck(), NormFilter(), MEAN], [DistanceCheck(), NormFilter(), MEAN]),
        ([AccuracyCheck(), MEAN], [MEAN]),  # it has no validation set
        ([MEAN, SignGuard()], [SignGuard()]),  # which has a mean
        ([SignGuard(), MEAN], [MEAN]),
        ([Bucketing(), FoolsGold()], [FoolsGold()]),  # which needs rows of one client each
        ([CLIP, FoolsGold()], [CLIP, FoolsGold()]),
        ([Bucketing(), Median()], [Bucketing(), Median()]),
        ([Pairs(), Bucketing(), Median()], [Pairs(), Bucketing(), Median()]),
    ],
)
def test_as_much_as_can_be_stays(written: list[Link], right: list[Link]) -> None:
    assert repaired(written) == right


def test_in_words() -> None:
    assert to_paste([]) == "-o aggregation=mean"
    assert to_paste([AccuracyCheck()]) == "-o aggregation=mean"
    assert to_paste([MEAN, KRUM]) == "-o 'aggregation=[{name: krum, f: 1}]'"
    assert to_paste([DistanceCheck(), MEAN]) == "-o 'aggregation=[distances, mean]'"
    assert form_of([CLIP, KRUM]) == "-o aggregation=[{{name: clip, max_norm: 1}}, {{name: krum, f: 1}}]"


@pytest.mark.parametrize(
    ("entry", "component"),
    [
        ("mean", MEAN),
        ("krum", KRUM),
        ({"name": "krum", "f": -3}, Krum(f=1)),
        ({"name": "clip", "max_norm": 2, "norm": 5}, Clip(max_norm=2)),
    ],
)
def test_values_that_would_do(entry: object, component: Link) -> None:
    assert mended(entry, Description()) == component


def test_there_are_none_for_a_name_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match="there is no 'xyzzy'"):
        mended("xyzzy", Description())
