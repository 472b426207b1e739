"""The server's chain: what it does to a round's updates, one stage after the other.

Filters and mixing come in the order in which they are written, then exactly one rule (the mean where none is written),
then at most one server optimizer. What is asked of a chain as a whole follows from its stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import SkipValidation, ValidationInfo, field_validator, model_validator

from fedlens.core.config import Config
from fedlens.core.errors import ConfigError
from fedlens.core.recorded import Recorded
from fedlens.core.registry import Description
from fedlens.defences.adapters import as_stage
from fedlens.defences.composed import written_out
from fedlens.defences.grammar import kindless, kinds_of, misplaced, validates
from fedlens.defences.links import Link, build_link, kind_of, shown, title
from fedlens.defences.mean import Mean
from fedlens.defences.repair import form_of, mended, to_paste
from fedlens.defences.server_step import needed
from fedlens.defences.stage import Sees, Stage


class Chain(Config):
    """Several stages, each a name, a mapping with its ``name`` and options, or a component.

    Attributes:
        stages: the components, in the order in which they work.

    Example:
        >>> from fedlens.defences import Chain
        >>> chain = Chain(stages=["distances", {"name": "krum", "f": 2}])
        >>> str(chain), chain.minimum, chain.told, chain.averages
        ('distances+krum', 7, (2,), False)
    """

    keeping: ClassVar[str] = "make another chain"

    stages: SkipValidation[tuple[Link, ...]]

    @classmethod
    def of(cls, stages: Chain | Link | str | Sequence[Any]) -> Chain:
        """Return the chain of these stages, or of the only one."""
        if isinstance(stages, Chain):
            return stages
        return cls(stages=tuple(stages) if isinstance(stages, list | tuple) else (stages,))

    @field_validator("stages", mode="before")
    @classmethod
    def _built(cls, value: Any, info: ValidationInfo) -> tuple[Link, ...]:
        """Build each; the context of a validation says where the description comes from."""
        values, source = list(value if isinstance(value, list | tuple) else [value]), info.context or Description()
        try:
            return tuple(build_link(entry, source) for entry in values)
        except ConfigError:
            if len(values) == 1:
                raise
            form = form_of([mended(entry, source) for entry in values])
            return tuple(build_link(entry, source, form) for entry in values)

    @model_validator(mode="after")
    def _possible(self) -> Chain:
        """Refuse what is no chain, with one to paste."""
        if not self.stages:
            raise ValueError("an empty list is no chain; e.g. -o aggregation=mean")
        if apart := next(filter(validates, self.stages), None):
            raise ValueError(
                f"{title(apart)} needs the validation set, which only checks have; e.g. {to_paste(self.stages)} "
                f"-o 'checks={{name: {title(apart)}, action: reject}}'"
            )
        parts = self.parts()
        if None in kinds_of(parts):  # of a record, whose classes are not read
            return self
        if wrong := kindless(parts):
            raise ValueError(wrong)
        if wrong := misplaced(parts):
            raise ValueError(f"{wrong}; e.g. {to_paste(self.stages)}")
        return self

    def parts(self) -> list[tuple[Link, Link]]:
        """Return what works, whole methods written out: each part behind the component that it is of."""
        return [(component, part) for component in self.stages for part in written_out(component)]

    @property
    def whole(self) -> tuple[Stage, ...]:
        """All stages, whole methods written out, with the mean where no rule is written."""
        stages = [as_stage(part) for _, part in self.parts()]
        if not any(stage.kind == "rule" for stage in stages):
            place = len(stages) - sum(stage.kind == "optimizer" for stage in stages)
            stages.insert(place, as_stage(Mean()))
        return tuple(stages)

    @property
    def names(self) -> list[str]:
        """The names of its stages, whole methods written out, as records have them."""
        return [name for _, part in self.parts() for name in _noted(part, "part_names") or [title(part)]]

    @property
    def filters(self) -> dict[str, Link]:
        """Its filters by the names under which records have their scores."""
        own = {title(part): part for _, part in self.parts() if as_stage(part).kind == "filter"}
        return own | {name: part for _, part in self.parts() for name in _noted(part, "filter_names")}

    @property
    def averages(self) -> bool | None:
        """True if an update's effect stays α_i times the update; ``None`` if a stage's code is not read."""
        told = {stage.averages for stage in self.whole}
        return False if False in told else None if None in told else True

    @property
    def minimum(self) -> int:
        """The least number of updates that it can work with.

        Raises:
            ConfigError: a custom stage says no number of updates, or failed.
        """
        return needed(self.whole)[0]

    @property
    def told(self) -> tuple[int, ...]:
        """The numbers of attackers that its stages are told, those of them that are."""
        return tuple(f for _, part in self.parts() if type(f := getattr(part, "f", None)) is int)

    @property
    def sees(self) -> Sees:
        """``sum`` if all stages work on the average alone; else ``updates``."""
        return "sum" if all(stage.sees == "sum" for stage in self.whole) else "updates"

    @property
    def needs_root(self) -> bool:
        """True if a stage needs root samples."""
        return any(bool(stage.needs_root) for stage in self.whole)

    @property
    def needs_model(self) -> bool:
        """True if a stage needs the model."""
        return any(bool(stage.needs_model) for stage in self.whole)

    def components(self) -> Iterator[tuple[str, Link]]:
        """Yield the components with their kinds."""
        return ((kind_of(component), component) for component in self.stages)

    def __str__(self) -> str:
        return "+".join(map(shown, self.stages))


def _noted(part: Link, fact: str) -> list[str]:
    """Return names that a run has noted of a whole method whose class is not read."""
    noted = getattr(part, fact, None) if isinstance(part, Recorded) else None
    return noted.split("+") if noted else []
