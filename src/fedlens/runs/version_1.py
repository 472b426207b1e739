"""Records of fedlens 0.1, version 1: a list for each property of the clients, where there now is a list of clients.

They are read through `upgraded`, and their keys can still be used (`fedlens.runs.key_access`).
"""

# mypy: disable-error-code="call-arg"
# It does not know PEP 728's `extra_items` yet, which pydantic uses.

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NotRequired

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter
from typing_extensions import TypedDict  # Python's does not have `extra_items` yet

from fedlens.core.documents import Finite, Logged

Details = list[float] | list[list[float]]


class Check(TypedDict, extra_items=Details):
    """A check's verdict on the clients that it saw; further lists are its details."""

    scores: list[Finite]
    flagged: list[bool]


class Attack(TypedDict, extra_items=Logged):
    """Log of the simulator and the attack in a round."""

    acted: bool
    reason: str | None
    alpha: Finite


class Round(TypedDict, extra_items=Any):
    """A line of ``rounds.jsonl``; what is not named here is as it is today."""

    round: PositiveInt
    cohort: Annotated[list[NonNegativeInt], Field(min_length=1)]
    attacker: bool
    shares: list[Finite] | None
    checks: dict[str, Check]
    rejected: list[NonNegativeInt]
    malicious: Any
    attack: Attack | None
    malformed: NotRequired[list[NonNegativeInt]]


ROUND = TypeAdapter(Round)
_OF_CLIENTS = set(Round.__annotations__) - {"round"}


def upgraded(line: dict[str, Any], malicious: int | None) -> dict[str, Any]:
    """Return a record of version 1 as one of version 2.

    Args:
        line: the record as read from JSON.
        malicious: the client that attacks; ``None`` if there is no attack.

    Raises:
        ValidationError: it has another form.
        ValueError: it contradicts itself.
    """
    old = ROUND.validate_python(line)
    if (fault := _fault(old, malicious)) is not None:
        raise ValueError(fault)
    cohort, bad = old["cohort"], _malformed(old)
    rows = {client: row for row, client in enumerate(client for client in cohort if client not in bad)}
    clients = []
    for place, client in enumerate(cohort):
        is_malicious = old["attacker"] and client == malicious
        clients.append(
            {
                "client": client,
                "effective_weight": None if old["shares"] is None else old["shares"][place],
                "rejected": client in old["rejected"],
                "malformed": client in bad,
                "checks": {name: _of_client(check, rows[client]) for name, check in old["checks"].items()}
                if client in rows
                else {},
                "attack": _attack(old["attack"]) if is_malicious else None,
                "model": old["malicious"] if is_malicious else None,
            }
        )
    unchanged = {name: value for name, value in old.items() if name not in _OF_CLIENTS}
    return {**unchanged, "clients": clients, "version": 1 if "placebo" in old else 0}


def _fault(old: Round, malicious: int | None) -> str | None:
    """Describe how a record contradicts itself; ``None`` if it does not."""
    cohort, bad = old["cohort"], set(_malformed(old))
    if old["attacker"] != (old["attack"] is not None) or old["attacker"] != (old["malicious"] is not None):
        return "attacker, attack and malicious contradict each other"
    if old["attacker"] and malicious not in cohort:
        return f"attacker: client {malicious} is not in the cohort"
    if old["shares"] is not None and len(old["shares"]) != len(cohort):
        return f"shares: {len(old['shares'])} of {len(cohort)} clients"
    if (set(old["rejected"]) | bad) - set(cohort):
        return "rejected, malformed: clients that are not in the cohort"
    count = len([client for client in cohort if client not in bad])
    for name, check in old["checks"].items():
        columns: Iterable[Details] = check.values()  # type: ignore[assignment]
        if any(len(entries) != count for entries in columns):
            return f"checks.{name}: not an entry for each of {count} clients"
    return None


def _malformed(old: Round) -> list[int]:
    return old.get("malformed", [])


def _of_client(check: Check, row: int) -> dict[str, Any]:
    columns: Mapping[str, Any] = check
    details = {name: entries[row] for name, entries in columns.items() if name not in {"scores", "flagged"}}
    return {"score": check["scores"][row], "flagged": check["flagged"][row], "details": details}


def _attack(old: Attack | None) -> dict[str, Any]:
    assert old is not None
    log = {name: value for name, value in old.items() if name not in {"acted", "reason", "alpha"}}
    return {"acted": old["acted"], "reason": old["reason"], "alpha": old["alpha"], "log": log}


def in_version_1(values: dict[str, Any]) -> dict[str, Any]:
    """Return a record of version 2, as it is written, in the form of version 1."""
    clients = values["clients"]
    malicious = next((client for client in clients if client["attack"] is not None), None)
    weights = [client["effective_weight"] for client in clients]
    old = {
        "round": values["round"],
        "cohort": [client["client"] for client in clients],
        "attacker": malicious is not None,
        "shares": None if None in weights else weights,
        "checks": _columns([client["checks"] for client in clients if not client["malformed"]]),
        "rejected": [client["client"] for client in clients if client["rejected"]],
        "skipped": values["skipped"],
        "quality": values["quality"],
        "target": values["target"],
        "malicious": malicious and malicious["model"],
        "attack": malicious and _flat(malicious["attack"]),
        "control": values["control"],
    }
    if values["version"] > 0:
        old["placebo"] = values["placebo"]
    if bad := [client["client"] for client in clients if client["malformed"]]:
        old["malformed"] = bad
    old |= {name: values[name] for name in ("backdoor", "goal_met") if name in values}
    return old | ({"destroyed": True} if values["destroyed"] else {})


def _flat(attack: dict[str, Any]) -> dict[str, Any]:
    log: dict[str, Any] = attack["log"]
    return {name: attack[name] for name in ("acted", "reason", "alpha")} | log


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return, by check, the scores, decisions and details of all clients."""
    checks: dict[str, Any] = {}
    for name in (name for name in rows[0] if all(name in row for row in rows)) if rows else ():
        details = rows[0][name]["details"]
        checks[name] = {
            "scores": [row[name]["score"] for row in rows],
            "flagged": [row[name]["flagged"] for row in rows],
            **{detail: [row[name]["details"].get(detail) for row in rows] for detail in details},
        }
    return checks
