"""Which samples of the test set are to be explained."""

import re
from collections.abc import Sequence

from fedlens.core.errors import ExplanationError
from fedlens.core.random import Address

TARGET = "target"


def chosen(words: Sequence[str], target: Sequence[int], count: int, address: Address) -> list[int]:
    """Indices of test samples, in order and none twice.

    Args:
        words: each ``target`` (the attacker's samples), the number of a sample, or ``random:N`` (N others, drawn).
        target: indices of the attacker's samples.
        count: samples of the test set.
        address: where the draw begins.

    Raises:
        ExplanationError: one says something else, or there are not so many samples.
    """
    found: list[int] = []
    attackers = set(target)
    for word in words:
        if word == TARGET:
            found += target
        elif (drawn := re.fullmatch(r"random:([1-9]\d*)", word)) is not None:
            others = [index for index in address.generator().permutation(count).tolist() if index not in attackers]
            if int(drawn[1]) > len(others):
                there = f"there are only {len(others)} samples beside the target's"
                raise ExplanationError(f"--sample {word}: {there}; e.g. --sample random:{len(others)}")
            found += others[: int(drawn[1])]
        elif re.fullmatch(r"\d+", word):
            if int(word) >= count:
                raise ExplanationError(f"--sample {word}: there is no such test sample; the last one is {count - 1}")
            found.append(int(word))
        else:
            raise ExplanationError(
                f"--sample {word}: expected target, the number of a test sample, or random:N; e.g. --sample random:100"
            )
    return list(dict.fromkeys(found))
