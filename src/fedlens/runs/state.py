"""Everything that one round hands to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from fedlens.attacks.estimation import Observation
from fedlens.core.errors import DamagedRunError
from fedlens.core.lazy import torch
from fedlens.core.regular import regular

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FederationState:
    """The federation between two rounds; nothing else survives.

    Attributes:
        round: rounds played so far.
        weights: global weights, shape ``[d]``.
        history: what the malicious client remembers.
        rule: what the aggregation rule keeps.
    """

    round: int
    weights: Tensor
    history: tuple[Observation, ...] = ()
    rule: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> FederationState:
        """The state on `device`."""
        history = tuple(
            replace(seen, weights=seen.weights.to(device), update=seen.update.to(device)) for seen in self.history
        )
        rule = {name: tensor.to(device) for name, tensor in self.rule.items()}
        return FederationState(self.round, self.weights.to(device), history, rule)

    def misfit(self, first: Tensor, *, finite: bool) -> str | None:
        """Why this cannot be the state of a federation whose model began with the weights `first`, if it cannot.

        Args:
            first: shape ``[d]``.
            finite: whether the model should be so still; what the malicious client sent need never be.
        """
        received = {
            "weights": self.weights,
            **{f"history.{at}.weights": s.weights for at, s in enumerate(self.history)},
        }
        sent = {f"history.{at}.update": seen.update for at, seen in enumerate(self.history)}
        for name, tensor in {**received, **sent}.items():
            if tensor.shape != first.shape:
                return f"{name}: of shape {list(tensor.shape)}, where the model has {first.numel()} weights"
            if tensor.dtype != first.dtype:
                return f"{name}: of type {tensor.dtype}, where the model's weights are {first.dtype}"
            if finite and name in received and not bool(tensor.isfinite().all()):
                return f"{name}: not all finite, though no round is recorded that destroyed the model"
        return None

    def to_bytes(self) -> bytes:
        """The state in safetensors form."""
        tensors = {"weights": self.weights}
        tensors |= {f"rule.{name}": tensor for name, tensor in self.rule.items()}
        for place, seen in enumerate(self.history):
            tensors |= {f"history.{place}.weights": seen.weights, f"history.{place}.update": seen.update}
        plain = {"round": self.round, "history": [[seen.round, seen.alpha, seen.log] for seen in self.history]}
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        from safetensors.torch import save

        return save(tensors, metadata={"state": json.dumps(plain)})  # one entry, for their order is not kept

    @classmethod
    def load(cls, path: str) -> FederationState:
        """The state that was saved to `path`.

        Raises:
            DamagedRunError: the file is missing or damaged.
        """
        try:
            with safe_open(str(regular(Path(path), None)), framework="pt") as file:
                plain = json.loads((file.metadata() or {})["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            history = tuple(
                Observation(seen, alpha, tensors[f"history.{place}.weights"], tensors[f"history.{place}.update"], log)
                for place, (seen, alpha, log) in enumerate(plain["history"])
            )
            rule = {name.removeprefix("rule."): tensor for name, tensor in tensors.items() if name.startswith("rule.")}
            if not isinstance(plain["round"], int) or plain["round"] < 1 or tensors["weights"].dim() != 1:
                raise ValueError("no weights after a round")
            return cls(plain["round"], tensors["weights"], history, rule)
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedRunError(
                f"{path}: this checkpoint is missing or damaged ({error}); start the run anew with another --out"
            ) from error
