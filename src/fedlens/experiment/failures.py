"""Clients that fail: chosen ones that send nothing in a round, and stragglers that manage part of their work.

Whether a client fails in a round depends on the seed, the client and the round alone, so that the benign twin has the
same failures. The server waits for as many updates as its chain needs: where fewer clients are left, those that came
nearest to lasting do so.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

from fedlens.core.config import Config
from fedlens.core.random import Address


class Failures(Config):
    """How often clients fail; attackers do as well, unless they are `reliable`.

    Attributes:
        dropout: share of the chosen clients that send nothing in a round, drawn each by itself.
        stragglers: share of the clients that train on part of their batches, drawn each by itself.
        work: which part of their batches stragglers train on, at least one.
        reliable: clients that never fail, by their numbers, or ``attackers``.

    Example:
        >>> from fedlens import Experiment, simulate
        >>> failing = {"dropout": 0.3}
        >>> experiment = Experiment(data="digits", rounds=1, failures=failing, local={"steps": 2})
        >>> [result] = simulate(experiment, engine="serial")
        >>> result.record.failed, len(result.record.cohort)
        ([2, 3, 5], 7)
    """

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stragglers: Annotated[float, Field(ge=0, le=1)] = 0.0
    work: Annotated[float, Field(gt=0, lt=1)] = 0.5
    reliable: Literal["attackers"] | tuple[NonNegativeInt, ...] = ()

    @model_validator(mode="after")
    def _some(self) -> "Failures":
        if not self.dropout and not self.stragglers:
            raise ValueError("say how often clients fail; e.g. -o failures.dropout=0.1, or -o failures=null")
        return self

    def misfit(self, clients: int) -> str | None:
        """Say why these failures do not fit so many clients, if they do not."""
        if self.reliable == "attackers" or max(self.reliable, default=0) < clients:
            return None
        last = clients - 1
        return (
            f"failures.reliable: there is no client {max(self.reliable)}; the last is {last}, "
            f"-o 'failures.reliable=[{last}]'"
        )

    def settled(self, team: Sequence[int]) -> "Failures":
        """Return the failures with the attackers, `team`, by their numbers, as for experiments without attack."""
        return self.model_copy(update={"reliable": tuple(team)}) if self.reliable == "attackers" else self

    def failed(self, clients: Sequence[int], least: int, round_: int, root: Address) -> list[int]:
        """Return which of these `clients` send nothing, so that at least `least` do.

        Args:
            clients: those that were chosen, in ascending order.
            least: how many updates the server waits for.
            round_: the round's number.
            root: where the experiment's random draws begin.
        """
        draws = {client: _draws(root, round_, client)[0] for client in clients if not self._is_reliable(client)}
        failing = sorted((draw, client) for client, draw in draws.items() if draw < self.dropout)
        return sorted(client for _, client in failing[: max(len(clients) - least, 0)])

    def work_of(self, client: int, round_: int, root: Address) -> float:
        """Return the part of its batches that a client trains on in this round."""
        straggles = not self._is_reliable(client) and _draws(root, round_, client)[1] < self.stragglers
        return self.work if straggles else 1.0

    def _is_reliable(self, client: int) -> bool:
        return self.reliable != "attackers" and client in self.reliable


def _draws(root: Address, round_: int, client: int) -> tuple[float, float]:
    """Draw a client's numbers in a round, by which it drops out and straggles; the lower, the worse."""
    first, second = root.at("failures", round_, client).generator().random(2)
    return float(first), float(second)
