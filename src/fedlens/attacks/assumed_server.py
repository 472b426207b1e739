"""What attackers know or guess of the server: its chain, which they can try on updates of their own making.

An attack that declares `Attack.needs_rule` gets it as `Team.server` and `View.server`. By default (the attackers'
option ``rule: known``) the chain is a copy of the server's; otherwise it is the one that they guess. What its stages
keep from round to round is known only with ``server_state: known``; else they begin anew in each round. The checks that
reject are part of it for an attack that `Attack.needs_checks`, unless the rule is guessed or they need the validation
set. The server's validation and root samples and its random draws are never known. As the server does, it receives no
update with an entry that is not finite: such a row is a client that is absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fedlens.core.config import Config

if TYPE_CHECKING:
    from torch import Tensor


class AssumedServer(Protocol):
    """The server as attackers imagine it in a round.

    Example:
        >>> import torch
        >>> from fedlens import Attack, Crafted, Experiment, simulate
        >>> class Expects(Attack):
        ...     sight = "all"
        ...     needs_rule = True
        ...     def collude(self, team):
        ...         step = team.server.step(torch.cat([team.others, team.honest]))
        ...         print(f"{team.server.components[0]!r} would take a step of {len(step)} numbers")
        ...         return Crafted(team.honest)
        >>> plan = {"rounds": 1, "control": False, "local": {"steps": 2}, "attackers": {"count": 2, "rule": "median"}}
        >>> [result] = simulate(Experiment(data="digits", attack=Expects(), **plan), engine="serial")
        Median() would take a step of 85002 numbers
    """

    @property
    def components(self) -> tuple[Config, ...]:
        """The components of the chain, in the order in which they work: `fedlens.defences.Krum` and others."""

    @property
    def cohort(self) -> int:
        """Number of clients n in the round."""

    def step(self, updates: Tensor) -> Tensor:
        """Compute what this server would add to the global weights, shape ``[d]``; zeros where it would skip the round.

        The weights of the other clients are not known: they share equally what the attackers leave of 1. Calls with
        equal updates give equal results, as random draws are always the same ones, which are not the server's.

        Args:
            updates: those of all n clients of the cohort: the others' first, then the attackers', in the order in which
                the attack is given both; shape ``[n, d]``.
        """

    def weights(self, updates: Tensor) -> Tensor | None:
        """Compute how much of each update this server would take, float64, shape ``[n]``; zeros where it would skip.

        It is ``None`` where no such numbers exist.

        Args:
            updates: as in `step`.
        """
