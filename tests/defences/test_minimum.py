"""How many updates a rule says that it needs."""

from typing import Any, ClassVar

import pytest

from fedlens.core.errors import ConfigError
from fedlens.defences.adapters import as_stage
from fedlens.defences.krum import Krum
from fedlens.defences.mean import Mean
from fedlens.defences.rule import Rule, least_updates, require_enough


class Says(Rule):
    """A rule that says what the test wants."""

    number: ClassVar[Any] = 1

    @property
    def minimum(self) -> int:
        return type(self).number  # type: ignore[no-any-return]


@pytest.mark.parametrize("number", [0, 1, 7, 10**9 - 1])
def test_numbers_of_updates(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(Says, "number", number)
    assert least_updates(Says()) == number
    assert as_stage(Says()).needed(1) == max(number, 1)


@pytest.mark.parametrize(
    ("number", "shown"), [(-1, "-1"), (10**9, "1000000000"), (True, "True"), (2.0, "2.0"), (None, "None")]
)
def test_what_is_no_number_of_updates(monkeypatch: pytest.MonkeyPatch, number: object, shown: str) -> None:
    monkeypatch.setattr(Says, "number", number)
    with pytest.raises(ConfigError, match=rf"^aggregation: minimum of Says.* is {shown}; a whole number of updates is"):
        least_updates(Says())


def test_a_method_is_no_number() -> None:
    class Method(Rule):
        """Forgets the decorator."""

        def minimum(self) -> int:  # type: ignore[override]
            return 3

    with pytest.raises(ConfigError, match=r"^aggregation: Method: minimum.* is a method; write @property on the line"):
        least_updates(Method())


def test_a_rule_needs_one_update_if_it_does_not_say() -> None:
    assert (least_updates(Rule()), least_updates(Mean()), least_updates(Krum(f=2))) == (1, 1, 7)


def test_as_many_as_are_needed_are_enough() -> None:
    require_enough("krum", "2f + 3", 1, 5, 5)
    with pytest.raises(ValueError, match=r"^krum needs n >= 2f \+ 3 updates: f = 1 needs 5, got 4$"):
        require_enough("krum", "2f + 3", 1, 5, 4)
