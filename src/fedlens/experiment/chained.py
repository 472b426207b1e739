"""The field of an experiment that holds the server's chain."""

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, SerializationInfo
from pydantic_core import CoreSchema

from fedlens.core.config import validate
from fedlens.core.fields import Source, schema
from fedlens.core.registry import describe
from fedlens.defences.chain import Chain
from fedlens.defences.links import Link


@dataclass(frozen=True)
class Chained:
    """Marks the field that holds the server's chain: one component alone, or a `Chain` of several."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate by `Chain`, serialise each component by `describe`."""

        def make(value: object, source: Source) -> Link | Chain:
            given = value if isinstance(value, Chain) else validate(Chain, {"stages": value}, self.kind, source=source)
            return given if len(given.stages) > 1 else given.stages[0]

        def dump(held: Link | Chain, _: SerializationInfo) -> dict[str, Any] | list[dict[str, Any]]:
            described = [describe(*component) for component in Chain.of(held).components()]
            return described if isinstance(held, Chain) else described[0]

        return schema(make, dump)
