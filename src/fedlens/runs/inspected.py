"""What was found in logged updates: a line of JSON a round, read by whoever shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveInt, TypeAdapter, ValidationError

from fedlens.core.documents import Finite, Logged
from fedlens.core.errors import DamagedRunError
from fedlens.core.regular import ANEW, regular
from fedlens.runs.record import CheckRecord

INSPECTED, HEAD = "inspected.jsonl", "inspection.json"
VERSION = 1


@dataclass(frozen=True)
class InspectedClient:
    """What is known of a client's update in a round.

    Attributes:
        client: its name.
        fault: why the update could not be compared with others; empty if it could.
        examples: on how many samples the client says that it trained; ``None`` where it does not say so.
        share: the weight that a mean by these numbers would give it; ``None`` if it is malformed.
        measured: its ``norm``, the ``range`` of its distances and that of the ``others``, and ``wasserstein``, how far
            its histogram is from the others'.
        checks: what each check said of it.
        rejected: whether it was kept from the aggregator.

    Example:
        >>> from fedlens.runs import InspectedClient
        >>> InspectedClient("7", examples=250, share=0.25).flagged_by
        []
    """

    client: str
    fault: str = ""
    examples: Logged = None
    share: Finite | None = None
    measured: dict[str, float | list[float]] = field(default_factory=dict)
    checks: dict[str, CheckRecord] = field(default_factory=dict)
    rejected: bool = False

    @property
    def flagged_by(self) -> list[str]:
        """The checks that flagged it."""
        return [name for name, check in self.checks.items() if check.flagged]

    @property
    def norm(self) -> float | None:
        """The L2 norm of its update."""
        norm = self.measured.get("norm")
        return norm if isinstance(norm, float) else None


@dataclass(frozen=True)
class InspectedRound:
    """A round of logged updates.

    Attributes:
        round: its number.
        entries: parameters of the model.
        clients: whoever sent something.
        skipped: why nothing was aggregated, if so.

    Example:
        >>> from fedlens.runs import InspectedClient, InspectedRound
        >>> InspectedRound(3, 650, [InspectedClient("7")]).faults
        {}
    """

    round: Annotated[int, Field(ge=0)]
    entries: PositiveInt
    clients: list[InspectedClient]
    skipped: str | None = None

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with malformed updates, by client."""
        return {client.client: client.fault for client in self.clients if client.fault}


@dataclass(frozen=True)
class InspectionHead:
    """What was looked for.

    Attributes:
        checks: the checks, described.
        boundaries: the score above which each flags a client, where one number decides.
        seconds: what it took.
        version: of the format.

    Example:
        >>> from fedlens.runs import InspectionHead
        >>> InspectionHead([{"name": "distances"}], {"distances": 0.0}, seconds=2.5).version
        1
    """

    checks: list[dict[str, Any]]
    boundaries: dict[str, float | None]
    seconds: NonNegativeFloat
    version: Annotated[int, Field(ge=1, le=VERSION)] = VERSION


@dataclass(frozen=True)
class Inspected:
    """An inspection of logged updates.

    Attributes:
        path: its directory.
        head: what was looked for.
        rounds: what was found.

    Example:
        >>> from pathlib import Path
        >>> from fedlens.runs import Inspected, InspectedClient, InspectedRound, InspectionHead
        >>> rounds = [InspectedRound(1, 650, [InspectedClient("7"), InspectedClient("8", "entry 3 of bias is NaN")])]
        >>> found = Inspected(Path("inspections/updates"), InspectionHead([], {}, seconds=2.5), rounds)
        >>> found.malformed, list(found.of_clients())
        (1, ['7', '8'])
    """

    path: Path
    head: InspectionHead
    rounds: Sequence[InspectedRound]

    @property
    def checks(self) -> list[str]:
        """The checks' names."""
        return list(self.head.boundaries)

    @property
    def malformed(self) -> int:
        """How many updates could not be compared with others."""
        return sum(len(round_.faults) for round_ in self.rounds)

    def of_clients(self) -> Mapping[str, list[tuple[InspectedRound, InspectedClient]]]:
        """Return the rounds of each client, and what is known of it there."""
        found: dict[str, list[tuple[InspectedRound, InspectedClient]]] = {}
        for round_ in self.rounds:
            for client in round_.clients:
                found.setdefault(client.client, []).append((round_, client))
        return found


ROUND, HEADER = TypeAdapter(InspectedRound), TypeAdapter(InspectionHead)


def read_inspected(path: Path) -> Inspected:
    """Read what was found: from an inspection's directory, or from a file of rounds alone, as a screen logs them.

    Raises:
        DamagedRunError: a file is missing or damaged.
    """
    alone = path.is_file()
    file = path if alone else path / HEAD
    try:
        head = None if alone else HEADER.validate_json(regular(file).read_bytes())
        file = path if alone else path / INSPECTED
        rounds = [ROUND.validate_python(json.loads(line)) for line in regular(file).read_text("utf-8").splitlines()]
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedRunError(f"{file}: missing or damaged ({reason}); {ANEW.replace('run', 'inspection')}") from None
    if not rounds:
        raise DamagedRunError(f"{file}: there are no rounds; {ANEW.replace('run', 'inspection')}")
    if head is None:
        names = dict.fromkeys(name for round_ in rounds for one in round_.clients for name in one.checks)
        head = InspectionHead([], dict.fromkeys(names), 0)
    return Inspected(path, head, rounds)
