"""Whole methods: several stages under one name, as a paper has them.

A description keeps the name with the method's own options. At work it is written out: a chain applies its stages one by
one, each with its own state, scores and decisions, as if they had been written there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator
from typing_extensions import override

from fedlens.core.errors import ConfigError, named
from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.origin import at
from fedlens.defences.adapters import as_stage
from fedlens.defences.grammar import kindless, kinds_of, misplaced, validates
from fedlens.defences.links import Link, title
from fedlens.defences.server_step import needed, server_step
from fedlens.defences.stage import Kind, Report, Sees, Server, Stage, State, Updates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


class Composed(Stage):
    """A whole method's description; derive from it to bring your own, and return its `stages`.

    There is exactly one rule among these, and at most one server optimizer behind it.

    Example:
        >>> from fedlens.defences import Chain, Clip, Composed, Median
        >>> class ClippedMedian(Composed):
        ...     max_norm: float = 2.0
        ...     def stages(self):
        ...         return Clip(max_norm=self.max_norm), Median()
        >>> chain = Chain.of([{"name": "nnm", "f": 1}, ClippedMedian()])
        >>> chain.names, chain.minimum
        (['nnm', 'clip', 'median'], 3)
    """

    kind: ClassVar[Kind] = "rule"

    def stages(self) -> tuple[Link, ...]:
        """Return the components that the method consists of, in the order in which they work."""
        raise NotImplementedError(f"{type(self).__name__} has no method stages; write it: def stages(self)")

    @model_validator(mode="after")
    def _possible(self) -> Composed:
        """Refuse stages that are none, or have another number of rules than one."""
        where, made = at(type(self).stages), self._stages_made()
        if strange := next((part for part in made if not isinstance(part, Link)), None):
            raise ValueError(f"stages{where} has {named(strange)}, which is no component; e.g. Mean()")
        parts = [(part, part) for part in written_out(self)]
        wrong = kindless(parts) or misplaced(parts)
        if apart := next((part for _, part in parts if validates(part)), None):
            wrong = f"{title(apart)} needs the validation set, which only checks have"
        if wrong is None and "rule" not in kinds_of(parts):
            wrong = "there is no rule; e.g. return Clip(max_norm=1), Mean()"
        if wrong:
            raise ValueError(f"stages{where}: {wrong}")
        return self

    def _stages_made(self) -> tuple[object, ...]:
        try:
            return tuple(self.stages())
        except ConfigError as error:
            raise ValueError(f"stages{at(type(self).stages)}: {error}") from error

    @property
    def whole(self) -> tuple[Stage, ...]:
        """The stages that it consists of, those of methods among them written out."""
        return tuple(as_stage(part) for part in written_out(self))

    @property
    def part_names(self) -> str:
        """The names of these, joined by ``+``."""
        return "+".join(map(title, written_out(self)))

    @property
    def filter_names(self) -> str:
        """The names of the filters among them, joined by ``+``."""
        return "+".join(title(part) for part in written_out(self) if as_stage(part).kind == "filter")

    @property
    def averages(self) -> bool | None:  # type: ignore[override]
        """True if all do; ``None`` if the code of one is not read."""
        told = {stage.averages for stage in self.whole}
        return False if False in told else None if None in told else True

    @property
    def sees(self) -> Sees:  # type: ignore[override]
        """``sum`` if all work on the average alone."""
        return "sum" if all(stage.sees == "sum" for stage in self.whole) else "updates"

    @property
    def blends(self) -> bool:  # type: ignore[override]
        """True if one does."""
        return any(stage.blends for stage in self.whole)

    @property
    def by_client(self) -> bool:  # type: ignore[override]
        """True if one needs it."""
        return any(stage.by_client for stage in self.whole)

    @property
    def needs_root(self) -> bool:  # type: ignore[override]
        """True if one needs it."""
        return any(stage.needs_root for stage in self.whole)

    @property
    def needs_model(self) -> bool:  # type: ignore[override]
        """True if one needs it."""
        return any(stage.needs_model for stage in self.whole)

    @override
    def needed(self, following: int) -> int:
        return needed(self.whole)[0]

    @override
    def init(self, layout: Layout) -> State:
        return _joined([stage.init(layout) for stage in self.whole])

    @override
    def apply(self, updates: Updates, server: Server, state: State) -> tuple[Updates, State, Report]:
        """Apply one stage after the other, as a chain does; what each says of rows is not reported."""
        step = server_step(self.whole, updates, server, _apart(state, len(self.whole)))
        weights = step.effective_weights
        left = Updates(
            step.update[None], torch.ones_like(updates.weights[:1]), None if weights is None else weights[None]
        )
        return left, state if step.skipped else _joined(step.states), Report(skipped=step.skipped)


def written_out(component: Link) -> tuple[Link, ...]:
    """Return the components that one consists of: itself, unless it is a whole method."""
    if not isinstance(component, Composed):
        return (component,)
    return tuple(part for stage in component.stages() for part in written_out(stage))


def _joined(states: Sequence[State]) -> State:
    """Return what stages keep as one state, whose names begin with the stage's position."""
    clients: dict[int, dict[str, Tensor]] = {}
    for index, state in enumerate(states):
        for client, kept in state.clients.items():
            clients.setdefault(client, {}).update(_marked(index, kept))
    return State(
        {name: value for index, state in enumerate(states) for name, value in _marked(index, state.tensors).items()},
        clients,
    )


def _apart(state: State, count: int) -> list[State]:
    """Return the state of each of `count` stages."""
    return [
        State(
            _of(index, state.tensors),
            {client: own for client, kept in state.clients.items() if (own := _of(index, kept))},
        )
        for index in range(count)
    ]


def _marked(index: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{index}.{name}": tensor for name, tensor in tensors.items()}


def _of(index: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    mark = f"{index}."
    return {name.removeprefix(mark): tensor for name, tensor in tensors.items() if name.startswith(mark)}
