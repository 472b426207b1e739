"""The state that one round hands to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from safetensors import SafetensorError, safe_open

from fedlens.attacks.estimation import Observation
from fedlens.core.errors import DamagedRunError
from fedlens.core.lazy import torch
from fedlens.core.regular import regular
from fedlens.defences.stage import State
from fedlens.runs.client_rows import Rounds, load_rows
from fedlens.runs.vouched import Sums

if TYPE_CHECKING:
    from torch import Tensor

FORMER = "rule"
"""What the state of the rule is called in checkpoints from before there were chains."""


@dataclass(frozen=True)
class FederationState:
    """The federation between two rounds; nothing else survives.

    Attributes:
        round: rounds played so far.
        weights: global weights, shape ``[d]``.
        history: the memory of each attacker that has taken part, by client.
        stages: what each stage of the server's chain keeps, by its position and name, as in ``0.krum``.
        team: what the team of attackers keeps.

    Example:
        >>> import fedlens
        >>> [result] = fedlens.simulate(fedlens.Experiment(data="digits", rounds=1), engine="serial")
        >>> result.state.round, result.state.weights.shape
        (1, torch.Size([85002]))
    """

    round: int
    weights: Tensor
    history: Mapping[int, tuple[Observation, ...]] = field(default_factory=dict)
    stages: Mapping[str, State] = field(default_factory=dict)
    team: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> FederationState:
        """Move the state to `device`."""
        history = {
            client: tuple(
                replace(past, weights=past.weights.to(device), update=past.update.to(device)) for past in pasts
            )
            for client, pasts in self.history.items()
        }
        stages = {
            name: State(
                _moved(state.tensors, device),
                {client: _moved(tensors, device) for client, tensors in state.clients.items()},
            )
            for name, state in self.stages.items()
        }
        return FederationState(self.round, self.weights.to(device), history, stages, _moved(self.team, device))

    def misfit(self, first: Tensor, *, finite: bool) -> str | None:
        """Tell why this cannot be the state of a federation with these first weights; ``None`` if it can.

        Args:
            first: shape ``[d]``.
            finite: whether weights must be finite; attackers' updates need never be.
        """
        received = {"weights": self.weights} | {f"{name}.weights": past.weights for name, past in self._memories()}
        sent = {f"{name}.update": past.update for name, past in self._memories()}
        for name, tensor in {**received, **sent}.items():
            if tensor.shape != first.shape:
                return f"{name}: of shape {list(tensor.shape)}, where the model has {first.numel()} weights"
            if tensor.dtype != first.dtype:
                return f"{name}: of type {tensor.dtype}, where the model's weights are {first.dtype}"
            if finite and name in received and not bool(tensor.isfinite().all()):
                return f"{name}: not all finite, though no round is recorded that destroyed the model"
        return None

    def _memories(self) -> Iterator[tuple[str, Observation]]:
        """Yield what attackers remember, with its name in a checkpoint."""
        for client, pasts in self.history.items():
            yield from ((f"history.{client}.{index}", past) for index, past in enumerate(pasts))

    def to_bytes(self, rows: Rounds = MappingProxyType({}), sums: Sums = MappingProxyType({})) -> bytes:
        """Serialise the state as safetensors, but for what stages keep by client, which is in the files of `rows`.

        Args:
            rows: the round of each client's file.
            sums: of the files that it relies on.
        """
        assert all(state.clients.keys() == rows.get(name, {}).keys() for name, state in self.stages.items())
        tensors = {"weights": self.weights}
        for index, state in enumerate(self.stages.values()):
            tensors |= {f"stages.{index}.{name}": tensor for name, tensor in state.tensors.items()}
        tensors |= {f"team.{name}": tensor for name, tensor in self.team.items()}
        for name, past in self._memories():
            tensors |= {f"received.{past.round}": past.weights, f"{name}.update": past.update}  # all received the same
        logs = {
            client: [[past.round, past.alpha, past.log] for past in pasts] for client, pasts in self.history.items()
        }
        plain: dict[str, Any] = {"round": self.round, "history": logs}
        if self.stages:
            plain["stages"] = [[name, sorted(rows.get(name, {}).items())] for name in self.stages]
        if sums:
            plain["files"] = dict(sorted(sums.items()))
        return _packed(plain, {name: tensor.cpu().contiguous() for name, tensor in tensors.items()})

    @classmethod
    def load(cls, path: str, attacker: int = 0) -> FederationState:
        """Load the state saved to `path`, with what stages keep by client; arguments as of `read_checkpoint`.

        Raises:
            DamagedRunError: a file is missing or damaged.
        """
        state, rows, _ = read_checkpoint(path, attacker)
        return replace(state, stages=load_rows(Path(path).parent, state.stages, rows))


class Checkpoint(NamedTuple):
    """A state without what stages keep by client, the rounds of the files with that, and sums of all files."""

    state: FederationState
    rows: Rounds
    sums: Sums


def read_checkpoint(path: str, attacker: int = 0) -> Checkpoint:
    """Read the file at `path`: the state without what stages keep by client, and where to find that.

    Args:
        path: the checkpoint.
        attacker: the attacker, of whom fedlens 0.1 knew one, and whose number it did not write down.

    Raises:
        DamagedRunError: the file is missing or damaged.
    """
    try:
        with safe_open(str(regular(Path(path), None)), framework="pt") as file:
            plain = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if "crc32" in plain and plain.pop("crc32") != _sum(plain, tensors):  # which early versions lack
            raise ValueError("its checksum does not match")
        history = _remembered(plain["history"], tensors, attacker)
        if not isinstance(plain["round"], int) or plain["round"] < 1 or tensors["weights"].dim() != 1:
            raise ValueError("no weights after a round")
        stages, rows = _stages(plain, tensors)
        state = FederationState(plain["round"], tensors["weights"], history, stages, _beneath(tensors, "team."))
        return Checkpoint(state, rows, plain.get("files", {}))
    except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRunError(
            f"{path}: this checkpoint is missing or damaged ({error}); start the run anew with another --out"
        ) from error


def with_other_sums(path: Path, sums: Sums) -> bytes:
    """Return the checkpoint at `path` as it would be if it relied on files with these `sums`.

    Raises:
        DamagedRunError: the file is missing or damaged.
    """
    read_checkpoint(str(path))
    with safe_open(str(path), framework="pt") as file:
        plain = json.loads(file.metadata()["state"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    plain = {name: value for name, value in plain.items() if name not in {"crc32", "files"}}
    return _packed(plain | {"files": dict(sorted(sums.items()))}, tensors)


def _packed(plain: dict[str, Any], tensors: dict[str, Tensor]) -> bytes:
    """Serialise a checkpoint, with its own checksum."""
    from safetensors.torch import save

    content = json.dumps({**plain, "crc32": _sum(plain, tensors)})
    return save(tensors, metadata={"state": content})  # one entry, as safetensors does not preserve their order


def _sum(plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> int:
    """Return the CRC-32 of a checkpoint: of its plain values and of the bytes of its tensors, on the CPU."""
    described = {name: [str(tensor.dtype), list(tensor.shape)] for name, tensor in sorted(tensors.items())}
    total = crc32(json.dumps([plain, described]).encode())
    for name in described:
        total = crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return total


def _stages(plain: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[dict[str, State], Rounds]:
    """Return what the stages keep, and the rounds of what they keep by client.

    A checkpoint from before there were chains has the state of a `FORMER` rule.
    """
    stages = {
        name: State(_beneath(tensors, f"stages.{index}.")) for index, (name, _) in enumerate(plain.get("stages", []))
    }
    if former := _beneath(tensors, f"{FORMER}."):
        stages[FORMER] = State(former)
    rows = {name: {int(client): int(round_) for client, round_ in written} for name, written in plain.get("stages", [])}
    return stages, rows


def _beneath(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moved(tensors: Mapping[str, Tensor], device: torch.device) -> Mapping[str, Tensor]:
    """Move tensors to a device; the same mapping if they are there, which tells that nothing has changed."""
    moved = {name: tensor.to(device) for name, tensor in tensors.items()}
    return tensors if all(moved[name] is tensor for name, tensor in tensors.items()) else moved


def _remembered(logs: Any, tensors: Mapping[str, Tensor], attacker: int) -> dict[int, tuple[Observation, ...]]:
    """Return what attackers remember, by client; of a list, as by fedlens 0.1, that is the only `attacker`."""
    alone = isinstance(logs, list)
    by_client = {attacker: logs} if alone and logs else {} if alone else logs
    history = {}
    for client, pasts in by_client.items():
        name = "history" if alone else f"history.{client}"
        history[int(client)] = tuple(
            Observation(
                round_,
                alpha,
                tensors[f"{name}.{index}.weights" if alone else f"received.{round_}"],
                tensors[f"{name}.{index}.update"],
                log,
            )
            for index, (round_, alpha, log) in enumerate(pasts)
        )
    return history
