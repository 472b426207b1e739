"""The field of an experiment that holds the server's chain."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, SerializationInfo
from pydantic_core import CoreSchema

from fedlens.core.config import validate
from fedlens.core.errors import ConfigError
from fedlens.core.fields import Source, schema
from fedlens.core.refusals import moved
from fedlens.core.registry import describe
from fedlens.defences.chain import Chain
from fedlens.defences.links import Link


@dataclass(frozen=True)
class Chained:
    """Marks the field that holds the server's chain: one component alone, or a `Chain` of several.

    Attributes:
        kind: the kind of component that a name stands for.
        word: a word that the field may hold in place of a chain.
        option: what the option is called, if not as the kind is.
    """

    kind: str
    word: str | None = None
    option: str = ""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by `Chain`, serialise each component by `describe`."""

        def make(value: object, source: Source) -> Link | Chain | str:
            if self.word is not None and value == self.word:
                return self.word
            given = value if isinstance(value, Chain) else self._validated(value, source)
            return given if len(given.stages) > 1 else given.stages[0]

        def dump(held: Link | Chain | str, _: SerializationInfo) -> dict[str, Any] | list[dict[str, Any]] | str:
            if isinstance(held, str):
                return held
            described = [describe(*component) for component in Chain.of(held).components()]
            return described if isinstance(held, Chain) else described[0]

        return schema(make, dump)

    def _validated(self, value: object, source: Source) -> Chain:
        try:
            return validate(Chain, {"stages": value}, self.kind, source=source)
        except ConfigError as error:
            if not self.option:
                raise
            raise moved(error, self.kind, self.option) from error.__cause__
