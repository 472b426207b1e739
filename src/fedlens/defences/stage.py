"""Stages: what a server does to a round's updates, one thing after the other.

There are four kinds. A *filter* scores clients and drops rows, *mixing* makes n rows into m (pre-aggregation), a *rule*
leaves one row, and a *server optimizer* turns that row into the step that is taken. Each is two functions, as are the
transformations of optax: `Stage.init` gives its first state, and `Stage.apply` maps updates and state to updates and
state. Nothing else survives a round.

How much of each client's update ends up in the global model can be read off at every point of the chain: row i of the
`mixture` says of whose updates the present row i is made, so that the effective weights are ``weights @ mixture``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from fedlens.core.config import Config
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.forward import Forward

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["filter", "mixing", "rule", "optimizer"]
Sees = Literal["updates", "sum"]


@dataclass(frozen=True)
class Updates:
    """The updates at some point of the chain.

    Attributes:
        rows: one update each, shape ``[m, d]``.
        weights: the weight of each row in an average, shape ``[m]``, float64, adding up to 1.
        mixture: of which of the n updates received each row is made, shape ``[m, n]``, float64; entries may be
            negative, and rows need not add up to 1. ``None`` where no such numbers exist.
        owned: whether nobody else needs the rows, so that a stage may write into them. fedlens gives its own stages
            such updates in a simulation, and no other.

    Example:
        >>> import torch
        >>> from fedlens.defences import Updates
        >>> updates = Updates.received(torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([0.5, 0.25, 0.25]).double())
        >>> updates.keep([0, 1]).effective_weights.tolist()
        [0.6666666666666666, 0.3333333333333333, 0.0]
    """

    rows: Tensor
    weights: Tensor
    mixture: Tensor | None
    owned: bool = False

    @classmethod
    def received(cls, rows: Tensor, weights: Tensor) -> Updates:
        """Return the updates as they were received, `rows` of shape ``[n, d]`` with their `weights` (``[n]``)."""
        return cls(rows, weights, torch.eye(len(rows), dtype=torch.float64, device=rows.device))

    @property
    def effective_weights(self) -> Tensor | None:
        """The weight of each of the n updates received in the average of the rows, shape ``[n]``, if there is one."""
        return None if self.mixture is None else self.weights.to(self.mixture) @ self.mixture

    @property
    def sources(self) -> tuple[int | None, ...]:
        """For each row, which of the updates received it is made of; ``None`` if of several, or if nobody knows."""
        if self.mixture is None:
            return (None,) * len(self.rows)
        parts = self.mixture != 0
        alone = (parts.sum(dim=1) == 1).tolist()
        first = parts.int().argmax(dim=1).tolist()
        return tuple(index if single else None for index, single in zip(first, alone, strict=True))

    def keep(self, rows: Sequence[int]) -> Updates:
        """Return these rows alone, in this order, their weights renormalised to 1; in place of others if it may."""
        index = list(rows)
        if index == list(range(len(self.rows))):
            return self
        weights = self.weights[index]
        mixture = None if self.mixture is None else self.mixture[index]
        return replace(self, rows=self._moved(index), weights=weights / weights.sum(), mixture=mixture)

    def _moved(self, index: list[int]) -> Tensor:
        """Return these rows: rows of its own are moved together, if that is in their order."""
        if not self.owned or index != sorted(set(index)):
            return self.rows[index]
        for place, row in enumerate(index):
            if place < row:
                self.rows[place] = self.rows[row]
        return self.rows[: len(index)]

    def mixed(self, matrix: Tensor, rows: Tensor | None = None) -> Updates:
        """Return rows that are linear combinations of these, all of the same weight.

        Args:
            matrix: whose row i says of which rows the new row i is made, shape ``[k, m]``.
            rows: the new rows, shape ``[k, d]``, where they have been computed in a better way than by `matrix`.
        """
        matrix = matrix.to(self.weights)
        if rows is None:
            rows = matrix.to(self.rows) @ self.rows
        weights = torch.full((len(matrix),), 1 / len(matrix), dtype=self.weights.dtype, device=self.weights.device)
        return Updates(rows, weights, None if self.mixture is None else matrix @ self.mixture)

    def single(self, update: Tensor, shares: Tensor | None) -> Updates:
        """Return the one row that a rule leaves.

        Args:
            update: shape ``[d]``.
            shares: the weight of each of the present rows in it, shape ``[m]``; ``None`` where there is no such number.
        """
        mixture = None
        if shares is not None and self.mixture is not None:
            mixture = (shares.to(self.mixture) @ self.mixture)[None]
        return Updates(update[None], torch.ones(1, dtype=self.weights.dtype, device=self.weights.device), mixture)


@dataclass(frozen=True)
class Server:
    """What a server has in a round, besides the updates and what its stages keep.

    Attributes:
        round: number of the round, from 1.
        weights: global weights w_G^t, shape ``[d]``.
        layout: the parameter that each of the d entries belongs to.
        clients: the clients whose updates were received, n numbers.
        address: where the stage's random draws begin, if it makes any.
        root: update that the server gets by training on its root samples as a client would, shape ``[d]``; ``None``
            unless a stage declares that it `needs_root`.
        lengths: L2 norms of all n updates as they were received, shape ``[n]``, float64; ``None`` unless a stage
            declares that it `needs_lengths`.
        forward: the model as a function; ``None`` unless a stage declares that it `needs_model`.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Server
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> Server(1, torch.zeros(2), layout, (0, 3, 4), Address.root(0)).clients
        (0, 3, 4)
    """

    round: int
    weights: Tensor
    layout: Layout
    clients: tuple[int, ...]
    address: Address
    root: Tensor | None = None
    lengths: Tensor | None = None
    forward: Forward | None = None


@dataclass(frozen=True)
class State:
    """What a stage keeps from round to round.

    Attributes:
        tensors: by name.
        clients: tensors by name, for each client of which something is kept. They are stored one by one, and only
            those that have been replaced: return unchanged clients' mappings as they are.

    Example:
        >>> import torch
        >>> from fedlens.defences import State
        >>> State({"rounds": torch.tensor(3)}, {4: {"history": torch.zeros(2)}}).clients[4]["history"]
        tensor([0., 0.])
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    clients: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a stage says of the rows that it got.

    Attributes:
        scores: how conspicuous each row is, shape ``[m]``; ``None`` of a stage that does not score.
        flagged: True for rows that a filter dropped, shape ``[m]``, bool.
        skipped: why the global model should stay as it is, if so; the state is then not kept.
        details: further numbers of each row, by name, m of them; a filter's are in the round's record, and of a stage
            that clips, how many are ``clipped`` (1 for a row that is, else 0) and the greatest ``length``.

    Example:
        >>> import torch
        >>> from fedlens.defences import Report
        >>> lengths = torch.tensor([1.0, 1.2, 7.0])
        >>> Report(lengths, lengths > 5).flagged
        tensor([False, False,  True])
    """

    scores: Tensor | None = None
    flagged: Tensor | None = None
    skipped: str | None = None
    details: Mapping[str, list[float] | list[list[float]]] = field(default_factory=dict)


class Stage(Config):
    """A stage's description; derive from it to bring your own, say of which `kind` it is, and write `apply`.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Report, Server, Stage, State, Updates
        >>> class Halve(Stage):
        ...     kind = "mixing"
        ...     def apply(self, updates, server, state):
        ...         return updates.mixed(torch.eye(len(updates.rows)) / 2), state, Report()
        >>> layout = Layout.of(torch.nn.Linear(1, 1, bias=False))
        >>> updates = Updates.received(torch.tensor([[1.0], [3.0]]), torch.tensor([0.5, 0.5]).double())
        >>> halved, _, _ = Halve().apply(updates, Server(1, torch.zeros(1), layout, (0, 1), Address.root(0)), State())
        >>> halved.rows.flatten(), halved.effective_weights.tolist()
        (tensor([0.5000, 1.5000]), [0.25, 0.25])
    """

    kind: ClassVar[Kind]
    """A ``filter`` drops rows, ``mixing`` makes n rows into m, a ``rule`` leaves one, and an ``optimizer`` steps."""

    sees: ClassVar[Sees] = "updates"
    """``sum`` if it works on the average alone, which is all that secure aggregation leaves; else ``updates``."""

    averages: ClassVar[bool] = False
    """True if an update's effect stays α_i times the update, so that an attacker can boost by 1/α_m."""

    blends: ClassVar[bool] = False
    """True if rows that leave it are made of several clients' updates each."""

    by_client: ClassVar[bool] = False
    """True if each row that it gets has to be of one client, as where it keeps something of each."""

    needs_root: ClassVar[bool] = False
    """True if it needs `Server.root`, for which root samples are then taken out of the training samples."""

    needs_lengths: ClassVar[bool] = False
    """True if it needs `Server.lengths`: how long all updates were that came, whatever other stages have done since."""

    needs_model: ClassVar[bool] = False
    """True if it needs `Server.forward`, which attackers who try the server's chain do not have."""

    coordinatewise: ClassVar[bool] = False
    """True of a rule that makes each entry of the same entries of the rows alone; it then combines buffers, too."""

    keeping: ClassVar[str] = "return what it keeps as the State, and find it in state"

    def needed(self, following: int) -> int:
        """Return the least number of updates that it needs so that at least `following` leave it."""
        return max(following, 1)

    def init(self, layout: Layout) -> State:  # noqa: ARG002
        """Return the state before the first round."""
        return State()

    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Return the updates that leave it, what it keeps, and what it says."""
        raise NotImplementedError
