"""The choice of test samples to explain."""

import re
from collections.abc import Sequence

from fedlens.core.errors import ExplanationError
from fedlens.core.random import Address

TARGET = "target"


def choose_samples(words: Sequence[str], target: Sequence[int], count: int, address: Address) -> list[int]:
    """Return indices of test samples, in the order of the words, none twice.

    Args:
        words: each ``target`` (the target samples), the number of a sample, or ``random:N`` (N others, drawn).
        target: indices of the target samples.
        count: number of samples in the test set.
        address: the random stream to draw from.

    Raises:
        ExplanationError: a word is something else, or there are fewer samples.
    """
    indices: list[int] = []
    for word in words:
        if word == TARGET:
            indices += target
        elif (drawn := re.fullmatch(r"random:([1-9]\d*)", word)) is not None:
            others = [index for index in address.generator().permutation(count).tolist() if index not in target]
            if int(drawn[1]) > len(others):
                there = f"there are only {len(others)} samples beside the target's"
                raise ExplanationError(f"--sample {word}: {there}; e.g. --sample random:{len(others)}")
            indices += others[: int(drawn[1])]
        elif re.fullmatch(r"\d+", word):
            if int(word) >= count:
                raise ExplanationError(f"--sample {word}: there is no such test sample; the last one is {count - 1}")
            indices.append(int(word))
        else:
            raise ExplanationError(
                f"--sample {word}: expected target, the number of a test sample, or random:N; e.g. --sample random:100"
            )
    return list(dict.fromkeys(indices))
