from dataclasses import replace
from typing import Any

import pytest
import torch
from attacker import ADDRESS, deep, poisoned
from planting import BARS, after, is_planted, rate

from fedlens.attacks.attack import View
from fedlens.attacks.badnets import BadNets
from fedlens.attacks.dba import Dba
from fedlens.attacks.team import Member
from fedlens.core.errors import ConfigError
from fedlens.data.dataset import Samples
from fedlens.experiment.experiment import Experiment
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.distributed import Distributed
from fedlens.goals.malicious_samples import malicious_samples
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.simulation.engines.jobs import member_of

IMAGES = Samples(torch.linspace(0, 0.5, 12 * 64).reshape(12, 1, 8, 8), torch.arange(12) % 3)
TEAM = {"goal": BARS, "attackers": {"count": 4}, "clients": 8}


def goal(trigger: Any) -> Backdoor:
    return Backdoor(trigger=trigger, target=1)


BARS_OF_3 = goal(Distributed(size=3, gap=2, value=1))
PLACES = [(0, 0), (0, 5), (3, 0), (3, 5)]
"""Where bars of three pixels with a gap of two begin."""


@pytest.mark.parametrize(("part", "place"), list(enumerate(PLACES)))
def test_an_attacker_s_samples_are_those_of_badnets_with_its_part_alone(part: int, place: tuple[int, int]) -> None:
    bar = goal(PixelPatch(place=place, size=(1, 3), value=1))
    ours = malicious_samples(BARS_OF_3, IMAGES, 3, ADDRESS, part)
    theirs = malicious_samples(bar, IMAGES, 3, ADDRESS)
    view = deep()
    mine = Dba().poison(IMAGES, member(view, part), ours)
    other = BadNets().poison(IMAGES, member(view, part), theirs)
    assert torch.equal(mine.x, other.x)
    assert torch.equal(mine.y, other.y)
    assert int((mine.x == 1).sum()) == 3 * (len(mine) - 12)


def member(view: View, place: int) -> Member:
    return member_of(replace(view, place=place, goal=BARS_OF_3))


def test_the_parts_are_disjoint_and_make_the_whole() -> None:
    blank = torch.zeros(1, 1, 8, 8)
    parts = [BARS_OF_3.inputs(blank, part) for part in range(4)]
    assert torch.equal(sum(parts, blank), BARS_OF_3.inputs(blank))
    assert [int(part.sum()) for part in parts] == [3, 3, 3, 3]


def test_it_is_honest_training_on_them_sent_as_it_is() -> None:
    attack, same = Dba(), BadNets()
    assert torch.equal(attack.craft(poisoned(attack, deep())), same.craft(poisoned(same, deep())))


def test_single_shots_come_one_after_the_other() -> None:
    attack = Dba(shots="single")
    shots = [
        [round_ for round_ in range(1, 25) if attack.waits(replace(deep(), round=round_, place=place)) is None]
        for place in range(4)
    ]
    assert shots == [[12], [14], [16], [18]]  # the paper's for MNIST
    assert attack.waits(deep()) == "not its shot"
    assert Dba(shots="single", first=5, until=5).waits(deep()) == "until"  # the view is of round 5
    assert Dba().waits(deep()) is None


def test_a_single_shot_is_boosted_for_one_and_others_for_the_team() -> None:
    view = deep(mates_alpha=0.3)
    for shots, factor in (("single", 5), ("every-round", 2)):  # 1/0.2 and 1/(0.2 + 0.3)
        Dba(shots=shots, boost="auto").craft(view)
        assert view.log["boost"] == pytest.approx(factor)


def test_a_trigger_in_one_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="dba gives each attacker a part of the trigger, which has only one"):
        Experiment(data="digits", goal="backdoor", attack="dba")
    Experiment(data="digits", goal={"name": "backdoor", "trigger": "distributed"}, attack="dba")


def test_four_of_eight_plant_the_whole_trigger_of_which_each_has_a_part() -> None:
    record = after(Dba(), 2, **TEAM)
    assert is_planted(record, 2, bars=True)
    assert record.backdoor is not None
    assert max(record.backdoor.parts) < record.backdoor.hits  # parts do less than the whole


def test_one_shot_without_boosting_is_averaged_away() -> None:
    unboosted, boosted = (rate(after(Dba(shots="single", first=4, boost=boost), **TEAM)) for boost in (1, 8))
    assert unboosted < boosted - 0.5
