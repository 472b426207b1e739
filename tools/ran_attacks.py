"""Others' attacks, run: each function takes theirs out of its file, and yields what it returns of small values."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import torch
from ran_shown import Shown, Take

from fedlens.attacks.a_little_is_enough import largest_z

FEDML = "python/fedml/core/security/"


def signguard_z(take: Take) -> Iterator[Shown]:
    """24 of 50 send the mean less z standard deviations; of 1 to 50 these are 25.5 and √212.5."""
    theirs = take("attacks/lie.py", "little_is_enough_attack").little_is_enough_attack
    rows = [torch.tensor([float(value)], dtype=torch.float64) for value in range(1, 51)]
    sent = theirs(rows[:24], rows[24:])[0].numpy()
    mean, spread = 25.5, 212.5**0.5
    yield Shown("24 of 50", [mean - largest_z(50, 24) * spread], [mean - spread], sent)


def blades_min_max(take: Take) -> Iterator[Shown]:
    """Of 0, 1, 2 mean and σ are 1, and nobody may be further than 2 from anybody: γ = 1 is the largest.

    Halving [0, 5] until it is shorter than 0.01, it tries 515 / 512 at last.
    """
    taken = take("blades/adversaries/minmax_adversary.py", "MinMaxAdversary._attack_by_binary_search", Signguard=set)
    honest = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
    adversary = SimpleNamespace(get_benign_updates=lambda _: honest)
    algorithm = SimpleNamespace(server=SimpleNamespace(aggregator=None))
    sent = float(taken._attack_by_binary_search(adversary, algorithm))
    yield Shown("the largest distance to one of 0, 1, 2", 2, 1 + 515 / 512, 2 - sent)


def fedml_labels(take: Take) -> Iterator[Shown]:
    """Of labels 3, 9, 1, the first two are to be exchanged."""
    theirs = take(f"{FEDML}common/utils.py", "replace_original_class_with_target_class")
    given = theirs.replace_original_class_with_target_class([3, 9, 1], [3, 9], [9, 3])
    yield Shown("3 → 9 and 9 → 3 in 3, 9, 1", [9, 3, 1], [3, 3, 1], np.array(given))


ATTACKS_SHOWN = {
    "JianXu95/SignGuard attacks/lie.py:13-19": signguard_z,
    "lishenghui/blades blades/adversaries/minmax_adversary.py:53-63": blades_min_max,
    f"FedML-AI/FedML {FEDML}common/utils.py:134-138": fedml_labels,
}
