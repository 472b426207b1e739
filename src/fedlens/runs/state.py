"""The state that one round hands to the next."""

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
        history: the malicious client's memory.
        rule: the aggregation rule's state.

    Example:
        >>> import fedlens
        >>> [result] = fedlens.simulate(fedlens.Experiment(data="digits", rounds=1), engine="serial")
        >>> result.state.round, result.state.weights.shape
        (1, torch.Size([85002]))
    """

    round: int
    weights: Tensor
    history: tuple[Observation, ...] = ()
    rule: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> FederationState:
        """Move the state to `device`."""
        history = tuple(
            replace(past, weights=past.weights.to(device), update=past.update.to(device)) for past in self.history
        )
        rule = {name: tensor.to(device) for name, tensor in self.rule.items()}
        return FederationState(self.round, self.weights.to(device), history, rule)

    def misfit(self, first: Tensor, *, finite: bool) -> str | None:
        """Tell why this cannot be the state of a federation with these first weights; ``None`` if it can.

        Args:
            first: shape ``[d]``.
            finite: whether weights must be finite; the malicious client's updates need never be.
        """
        received = {
            "weights": self.weights,
            **{f"history.{index}.weights": past.weights for index, past in enumerate(self.history)},
        }
        sent = {f"history.{index}.update": past.update for index, past in enumerate(self.history)}
        for name, tensor in {**received, **sent}.items():
            if tensor.shape != first.shape:
                return f"{name}: of shape {list(tensor.shape)}, where the model has {first.numel()} weights"
            if tensor.dtype != first.dtype:
                return f"{name}: of type {tensor.dtype}, where the model's weights are {first.dtype}"
            if finite and name in received and not bool(tensor.isfinite().all()):
                return f"{name}: not all finite, though no round is recorded that destroyed the model"
        return None

    def to_bytes(self) -> bytes:
        """Serialise the state as safetensors."""
        tensors = {"weights": self.weights}
        tensors |= {f"rule.{name}": tensor for name, tensor in self.rule.items()}
        for index, past in enumerate(self.history):
            tensors |= {f"history.{index}.weights": past.weights, f"history.{index}.update": past.update}
        plain = {"round": self.round, "history": [[past.round, past.alpha, past.log] for past in self.history]}
        tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        from safetensors.torch import save

        return save(
            tensors, metadata={"state": json.dumps(plain)}
        )  # one entry, as safetensors does not preserve their order

    @classmethod
    def load(cls, path: str) -> FederationState:
        """Load the state saved to `path`.

        Raises:
            DamagedRunError: the file is missing or damaged.
        """
        try:
            with safe_open(str(regular(Path(path), None)), framework="pt") as file:
                plain = json.loads((file.metadata() or {})["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            history = tuple(
                Observation(round_, alpha, tensors[f"history.{index}.weights"], tensors[f"history.{index}.update"], log)
                for index, (round_, alpha, log) in enumerate(plain["history"])
            )
            rule = {name.removeprefix("rule."): tensor for name, tensor in tensors.items() if name.startswith("rule.")}
            if not isinstance(plain["round"], int) or plain["round"] < 1 or tensors["weights"].dim() != 1:
                raise ValueError("no weights after a round")
            return cls(plain["round"], tensors["weights"], history, rule)
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedRunError(
                f"{path}: this checkpoint is missing or damaged ({error}); start the run anew with another --out"
            ) from error
