"""Distances that several attackers have recorded apart, of which some are impossible."""

from dataclasses import replace
from typing import Any

import pytest
from small import small

import fedlens
from fedlens.runs.apart import apart_fault
from fedlens.runs.consistency import misfits
from fedlens.runs.record import RoundRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> fedlens.Run:
    """Two of five clients attack, three in a round; so some rounds have two attackers, and one benign client."""
    experiment = small(attackers={"count": 2}, clients=5, fraction=0.6, rounds=4, record=["distances"])
    return fedlens.run(experiment, tmp_path_factory.mktemp("apart") / "run", engine="serial")


def having(run: fedlens.Run) -> RoundRecord:
    """The first round with two attackers."""
    return next(record for record in run.records if len(record.attackers) == 2)


def with_(record: RoundRecord, client: int, **numbers: Any) -> RoundRecord:
    """The record with other numbers measured of a client; those that are ``None`` are left out."""
    changed = {one.client: one for one in record.clients}[client]
    measured = {name: value for name, value in {**changed.measured, **numbers}.items() if value is not None}
    clients = [replace(one, measured=measured) if one.client == client else one for one in record.clients]
    return replace(record, clients=clients)


def test_what_runs_record_is_sound(run: fedlens.Run) -> None:
    assert {len(record.attackers) for record in run.records} >= {1, 2}
    assert not list(misfits(run.experiment, run.records, run.target))
    for engine in ("vectorised", "processes"):
        more = small(attackers={"count": 3}, clients=8, rounds=2, record=["distances"], attack="sign-flipping")
        results = list(fedlens.simulate(more, engine=engine))  # type: ignore[arg-type]
        assert [apart_fault(result.record) for result in results] == [None, None]
        assert all(client.measure("to_benign") for result in results for client in result.record.attackers)


def test_what_cannot_be_is_found(run: fedlens.Run) -> None:
    record = having(run)
    first, second = (client.client for client in record.attackers)
    (benign,) = {client.client for client in record.clients} - {first, second}
    own = {one.client: one for one in record.clients}[first]
    low, high = own.measure("range")  # type: ignore[misc]
    alone = next(one for one in run.records if len(one.attackers) == 1)
    faults = {
        f"client {benign}: measured.to_benign: of a client that did not attack": with_(
            record, benign, to_benign=[1, 2]
        ),
        f"client {first}: measured.to_benign: missing": with_(record, first, to_benign=None),
        f"client {second}: measured.among_benign: missing": with_(record, second, among_benign=None),
        f"client {first}: measured.to_benign: a range has two ends": with_(record, first, to_benign=[1.0]),
        f"client {second}: measured.to_benign: a range has two ends ": with_(record, second, to_benign=1.0),
        f"client {first}: measured.to_benign: -1, which cannot be negative": with_(record, first, to_benign=[-1, high]),
        f"client {first}: measured.to_benign: from 2 down to 1": with_(record, first, to_benign=[2, 1]),
        f"client {first}: measured.to_benign: {low:g} to {2 * high:g}, outside {low:g} to {high:g}, of which it is a "
        "part": with_(record, first, to_benign=[low, 2 * high]),
        f"client {first}: measured.among_benign: a range, though there are no benign updates to compare": with_(
            record, first, among_benign=[low, high]
        ),
        f"client {alone.attackers[0].client}: measured.to_benign: of a round with fewer than two attackers": with_(
            alone, alone.attackers[0].client, to_benign=[1, 2]
        ),
    }
    assert own.measure("among_benign") == []
    for words, changed in faults.items():
        assert apart_fault(changed) == words.strip()
        records = [changed if one.round == changed.round else one for one in run.records]
        assert list(misfits(run.experiment, records, run.target)) == [(changed.round - 1, words.strip())]


def test_benign_clients_have_one_range() -> None:
    several = small(attackers={"count": 2}, clients=5, rounds=1, record=["distances"])
    (result,) = fedlens.simulate(several, engine="serial")
    low, high = result.record.attackers[0].measure("among_benign")  # type: ignore[misc]
    changed = with_(result.record, 4, among_benign=[low, (low + high) / 2])
    assert apart_fault(changed) == "client 4: measured.among_benign: not that of client 3"
