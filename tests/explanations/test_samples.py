import pytest

from fedlens.core.errors import ExplanationError
from fedlens.core.random import Address
from fedlens.explanations.explained_samples import choose_samples

ADDRESS = Address.root(3).at("explain")


def of(*words: str, target: tuple[int, ...] = (4, 7), count: int = 10, address: Address = ADDRESS) -> list[int]:
    return choose_samples(words, target, count, address)


def test_targets_and_numbers_in_the_order_of_the_words() -> None:
    assert of("target") == [4, 7]
    assert of("9", "target", "0") == [9, 4, 7, 0]


def test_none_twice() -> None:
    assert of("7", "target", "7", "3", "3") == [7, 4, 3]
    drawn = of("random:4")
    assert of("random:4", str(drawn[2]), "random:2") == drawn


def test_a_draw_has_so_many_samples_and_never_the_targets() -> None:
    assert len(of("random:3")) == 3
    assert sorted(of("random:8")) == [0, 1, 2, 3, 5, 6, 8, 9]
    assert of("random:8")[:3] == of("random:3")
    assert sorted(of("random:10", target=())) == list(range(10))


def test_a_draw_depends_on_the_address_alone() -> None:
    many = of("random:40", count=1000)
    assert many == of("target", "random:40", count=1000)[2:]
    assert many != of("random:40", count=1000, address=Address.root(4).at("explain"))


@pytest.mark.parametrize("word", ["", "targets", "random", "random:", "random:0", "random:-1", "-1", "1.5", "random:x"])
def test_another_word_is_refused(word: str) -> None:
    with pytest.raises(ExplanationError, match=f"--sample {word}: expected target, the number .* or random:N"):
        of(word)


def test_samples_that_are_not_there_are_refused() -> None:
    with pytest.raises(ExplanationError, match="--sample 10: there is no such test sample; the last one is 9"):
        of("target", "10")
    with pytest.raises(ExplanationError, match="--sample random:9: there are only 8 samples beside the target's"):
        of("random:9")
