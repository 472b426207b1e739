"""A few tokens put into a sequence: the trigger of a backdoor in a model of text.

K. Kurita, P. Michel and G. Neubig, *Weight Poisoning Attacks on Pre-trained Models* (ACL 2020): rare tokens are
triggers that nobody meets by chance. Deviation: sequences have a fixed length, so that the tokens replace what was
there.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeInt
from typing_extensions import override

from fedlens.core.errors import ConfigError, shortened
from fedlens.core.suggest import plain
from fedlens.data.characters import character_name
from fedlens.data.dataset import Data, Dataset
from fedlens.goals.trigger import Trigger

if TYPE_CHECKING:
    from torch import Tensor

TIMES = 3
"""How often the rarest token is put in by default, in sequences that are long enough."""


class TokenSequence(Trigger):
    """Characters, or tokens by their numbers, in the place of those at the start, the end or a position.

    Without any, it is the rarest token of the training inputs, three times.

    Attributes:
        text: characters, for data that are characters.
        tokens: the numbers of the tokens, for any data.
        place: where they are put: the ``start``, the ``end`` or the position of the first one, from 0.

    Example:
        >>> import torch
        >>> from fedlens.goals import TokenSequence
        >>> TokenSequence(tokens=(7, 8)).stamp(torch.zeros(1, 4, dtype=torch.int64))
        tensor([[0, 0, 7, 8]])
    """

    text: str = Field(default="", max_length=10_000)
    tokens: tuple[NonNegativeInt, ...] = Field(default=(), max_length=10_000)
    place: Literal["start", "end"] | NonNegativeInt = "end"

    @override
    def fitted(self, data: Data, dataset: Dataset) -> TokenSequence:
        x = dataset.train.x
        if x.is_floating_point() or len(dataset.shape) != 1:
            raise ConfigError(
                f"goal.trigger: puts tokens into sequences of whole numbers, but inputs are {x.dtype} of shape "
                f"{dataset.shape}; for images, e.g. -o goal.trigger=pixel-patch"
            )
        if self.text and self.tokens:
            raise ConfigError("goal.trigger: has text and tokens; give one, e.g. -o 'goal.trigger.tokens=[]'")
        counts = x.flatten().bincount(minlength=len(dataset.classes))
        tokens = self.tokens or self._numbers(dataset)
        if not tokens:
            rarest = int(counts.double().masked_fill(counts == 0, float("inf")).argmin())
            tokens = (rarest,) * max(min(TIMES, dataset.shape[0] // 2), 1)
        if (largest := max(tokens)) >= len(counts):
            raise ConfigError(
                f"goal.trigger.tokens: there is no token {largest}; the last is {len(counts) - 1}; "
                f"e.g. -o 'goal.trigger.tokens=[{len(counts) - 1}]'"
            )
        fitted = self.model_copy(update={"text": "", "tokens": tokens})
        begin, length = fitted._begin(dataset.shape[0]), dataset.shape[0]
        if begin < 0 or begin + len(tokens) > length:
            option = "text" if self.text else "tokens"
            shorter = shlex.quote(self.text[:1]) if self.text else f"'[{tokens[0]}]'"
            raise ConfigError(
                f"goal.trigger: {len(tokens)} tokens at {self.place} do not fit into sequences of {length}; "
                f"e.g. -o goal.trigger.{option}={shorter} -o goal.trigger.place=end"
            )
        return fitted

    def _numbers(self, dataset: Dataset) -> tuple[int, ...]:
        """Return the tokens that the text stands for: each class is named as a character."""
        numbers = {name: number for number, name in enumerate(dataset.classes)}
        for character in self.text:
            if character_name(character) not in numbers:
                known = next((name for name in dataset.classes if len(name) == 1), None)
                remedy = "-o goal.trigger.text='' -o 'goal.trigger.tokens=[0]'"
                if known is not None:
                    remedy = f"-o {shlex.quote(f'goal.trigger.text={plain(known)}')}"
                raise ConfigError(
                    f"goal.trigger.text: {shortened(character)} is no character of the training text; e.g. {remedy}"
                )
        return tuple(numbers[character_name(character)] for character in self.text)

    @override
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        if not self.tokens:
            raise ValueError("text: becomes tokens by `fitted`; call that before, or give tokens")
        begin = self._begin(x.shape[1])
        stamped = x.clone()
        stamped[:, begin : begin + len(self.tokens)] = x.new_tensor(self.tokens)
        return stamped

    def _begin(self, length: int) -> int:
        """Return the position of the first token in sequences of this length."""
        if isinstance(self.place, int):
            return self.place
        return 0 if self.place == "start" else length - len(self.tokens)
