"""Who attacks: which clients are malicious, and in which rounds they take part."""

from collections.abc import Collection
from math import floor
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from fedlens.core.config import Config, identifying
from fedlens.core.random import Address
from fedlens.core.registry import describe
from fedlens.defences.chain import Chain
from fedlens.defences.links import Link
from fedlens.experiment.chained import Chained

Schedule = Literal["sampled", "every-round"]


class Attackers(Config):
    """The malicious clients: how many, or which; give one of `count`, `share` and `clients`.

    Attributes:
        count: number of attackers.
        share: share of all K clients that attack, rounded to a number of clients, at least one.
        clients: the attackers' numbers.
        pick: with `count` or `share`, which clients attack: the ``last`` ones (K - 1, K - 2, ...), or ``random`` ones,
            drawn by the seed.
        schedule: ``sampled``: drawn for a round like any client; ``every-round``: all attackers take part in every
            round, and the rest of the cohort is drawn among the other clients.
        rule: for an attack that tries the server's chain: ``known``, or the chain that the attackers take for the
            server's, written as ``aggregation`` is.
        server_state: whether such an attack also has what the server's chain keeps from round to round.

    Example:
        >>> from fedlens import Experiment
        >>> Experiment(clients=10, attack="explicit-boosting", attackers={"share": 0.2}).team
        (8, 9)
        >>> Experiment(clients=10, attack="explicit-boosting", attackers={"clients": [4, 0]}).team
        (0, 4)
    """

    count: PositiveInt | None = Field(default=None, examples=[2])
    share: float | None = Field(default=None, gt=0, lt=1)
    clients: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] | None = None
    pick: Literal["last", "random"] = "last"
    schedule: Schedule = "sampled"
    rule: Annotated[Literal["known"] | Link | Chain, Chained("aggregation", word="known", option="attackers.rule")] = (
        "known"
    )
    server_state: Literal["unknown", "known"] = "unknown"

    @model_validator(mode="after")
    def _unambiguous(self) -> "Attackers":
        given = [name for name in ("count", "share", "clients") if getattr(self, name) is not None]
        if len(given) != 1:
            said = f"not {' and '.join(given)}" if given else "to say who attacks"
            raise ValueError(f"give one of count, share and clients, {said}; e.g. {self._pasted(count=2)}")
        if self.guess is not None and self.server_state == "known":
            raise ValueError("server_state: only who knows the rule knows what it keeps; e.g. -o attackers.rule=known")
        if self.clients is None:
            return self
        once = list(dict.fromkeys(self.clients))
        if len(once) < len(self.clients):
            named = ", ".join(map(str, self.clients))
            raise ValueError(f"clients: each can be named once, not {named}; e.g. {self._pasted(clients=once)}")
        if self.pick != "last":
            raise ValueError(f"pick: the clients are named already; e.g. {self._pasted(clients=once)}")
        return self

    @property
    def guess(self) -> Chain | None:
        """The chain that they take for the server's; ``None`` if they know that."""
        return None if isinstance(self.rule, str) else Chain.of(self.rule)

    @property
    def told(self) -> dict[str, Any]:
        """What is said of their knowledge of the server that is not the default, as identities have it."""
        if self.guess is None:
            return {} if self.server_state == "unknown" else {"server_state": self.server_state}
        return {
            "rule": [identifying(component, describe(kind, component)) for kind, component in self.guess.components()]
        }

    def size(self, clients: int) -> int:
        """Return the number of attackers among this many `clients`."""
        if self.clients is not None:
            return len(self.clients)
        return self.count if self.count is not None else max(1, floor((self.share or 0) * clients + 0.5))

    def team(self, clients: int, seed: int) -> tuple[int, ...]:
        """Return the attackers among this many `clients`, in ascending order; `seed` is the experiment's."""
        if self.clients is not None:
            return tuple(sorted(self.clients))
        size = self.size(clients)
        if self.pick == "last":
            return tuple(range(clients - size, clients))
        drawn = Address.root(seed).at("attackers").generator().choice(clients, size, replace=False)
        return tuple(sorted(int(client) for client in drawn))

    def identifying(self, clients: int, seed: int, every_round: Collection[int]) -> dict[str, Any] | int | None:
        """Return who attacks, in one form for all ways to say so: that of `Attack.client` where there is one attacker.

        Args:
            clients: number of clients.
            seed: the experiment's.
            every_round: the clients that are chosen in every round, unless all are.
        """
        team = self.team(clients, seed)
        schedule: Schedule = "every-round" if every_round else "sampled"
        if len(team) > 1 or every_round or self.told:
            return {"clients": list(team), "schedule": schedule, **self.told}
        is_default = self.clients is None and team == (clients - 1,)
        return None if is_default else team[0]

    def misfit(self, clients: int, cohort: int) -> str | None:
        """Say why they cannot attack a federation of so many `clients`, `cohort` of them in a round; ``None`` if so."""
        size, last = self.size(clients), clients - 1
        if self.clients is not None and max(self.clients) > last:
            fitting = [client for client in self.clients if client <= last] or [last]
            return (
                f"attackers.clients: there is no client {max(self.clients)}; the last is {last}, "
                f"{self._pasted(clients=fitting)}"
            )
        if size >= clients:
            remedy = self._pasted(count=last) if last else "-o clients=2"
            return f"attackers: {size} of {clients} clients leave no honest one; e.g. {remedy}"
        if self.schedule == "every-round" and size > cohort:
            return (
                f"attackers.schedule: every-round has all {size} attackers in a cohort of {cohort}; raise fraction, "
                "or let them be sampled, e.g. -o attackers.schedule=sampled"
            )
        return None

    def _pasted(self, **who: Any) -> str:
        """Return the option to paste that names the attackers so, and keeps their schedule."""
        said = who | ({"schedule": self.schedule} if self.schedule != "sampled" else {})
        return f"-o 'attackers={{{', '.join(f'{name}: {value}' for name, value in said.items())}}}'"
