"""The character model of McMahan et al., *Communication-Efficient Learning of Deep Networks from Decentralized Data*.

AISTATS 2017, section 3: characters are embedded in 8 dimensions, two layers of LSTM with 256 units each read them, and
a dense layer gives the next character's logits. Here it is asked for the one character that follows a sequence.
"""

from __future__ import annotations

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.core.errors import ConfigError
from fedlens.core.lazy import nn
from fedlens.models.model import Model


class CharLstm(Model):
    """Embedding 8, two LSTM layers of 256, dense; 819,920 parameters on 80 characters.

    Inputs are sequences of characters' numbers ``[n, T]``, classes the character that follows; there are as many
    characters as classes.

    Attributes:
        embedding: number of dimensions that a character is embedded in.
        hidden: number of units of a layer.
        layers: number of layers.

    Example:
        >>> import torch
        >>> from fedlens.models import CharLstm
        >>> module = CharLstm(hidden=16).build((20,), classes=80)
        >>> module(torch.zeros(3, 20, dtype=torch.int64)).shape
        torch.Size([3, 80])
    """

    embedding: PositiveInt = 8
    hidden: PositiveInt = 256
    layers: PositiveInt = 2

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        from fedlens.models.character_reader import CharacterReader

        if len(shape) != 1:
            wanted = "sequences of whole numbers, [n, T]"
            raise ConfigError(
                f"model: char-lstm wants {wanted}; this data has inputs of shape {shape}; e.g. -o model=tiny"
            )
        return CharacterReader(classes, self.embedding, self.hidden, self.layers)
