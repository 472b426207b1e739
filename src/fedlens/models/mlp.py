"""The paper's network for the Adult census data; it takes any input, flattened."""

from __future__ import annotations

from math import prod

from typing_extensions import override

from fedlens.core.lazy import nn
from fedlens.models.model import Model, glorot_uniform


class CensusMlp(Model):
    """Dense 256, dropout ½, dense 256, dropout ½, dense; 93,186 parameters on Adult's 104 columns.

    The second hidden layer reads the first one, as the paper says; in the authors' code it reads the input.

    Example:
        >>> from fedlens.models import CensusMlp
        >>> module = CensusMlp().build((104,), classes=2)
        >>> sum(parameter.numel() for parameter in module.parameters())
        93186
    """

    @override
    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        from fedlens.models.dropout import Dropout

        return glorot_uniform(
            nn.Sequential(
                nn.Flatten(),
                nn.Linear(prod(shape), 256),
                nn.ReLU(),
                Dropout(0.5),
                nn.Linear(256, 256),
                nn.ReLU(),
                Dropout(0.5),
                nn.Linear(256, classes),
            )
        )
