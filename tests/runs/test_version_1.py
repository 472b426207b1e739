"""Records of fedlens 0.1 are read as they were, and typed records can be used by their old keys."""

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from helpers.records import round_record

from fedlens.runs.parse_records import parsed_round
from fedlens.runs.record import VERSION, RoundRecord

COMMITTED = Path(__file__).parents[2] / "docs/reproduction/records/quick-seed-0-target-0.tar.xz"


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    """Lines that version 0.1 wrote, of the first ten runs of a committed archive."""
    made: list[dict[str, Any]] = []
    with tarfile.open(fileobj=BytesIO(COMMITTED.read_bytes())) as archive:
        for member in [member for member in archive if member.name.endswith("rounds.jsonl")][:10]:
            content = archive.extractfile(member)
            assert content is not None
            made += map(json.loads, content)
    return [line for line in made if "version" not in line]


def parsed(line: dict[str, Any]) -> RoundRecord:
    attackers = range(100)
    malicious = next((client for client in attackers if client in line["cohort"]), 0)
    return parsed_round(json.dumps(line).encode(), malicious)


def test_every_number_of_an_old_record_is_where_it_belongs(lines: list[dict[str, Any]]) -> None:
    assert len(lines) >= 50
    for line in lines:
        record = parsed(line)
        assert {name: record.by_old_keys()[name] for name in line} == line
        assert (record.cohort, record.quality.accuracy) == (line["cohort"], line["quality"]["accuracy"])
        assert record.knows_placebos == ("placebo" in line)


def test_what_is_read_of_version_1_is_written_in_todays_and_read_again(lines: list[dict[str, Any]]) -> None:
    for line in lines[:20]:
        record = parsed(line)
        written = json.dumps(record.plain())
        again = parsed_round(written.encode(), 0)
        assert json.loads(written)["version"] == again.version == VERSION
        assert again.clients == record.clients


def test_old_keys_work_and_warn() -> None:
    record = round_record(3, cohort=[0, 3], shares=[0.25, 0.75])
    with pytest.warns(DeprecationWarning, match="RoundRecord has attributes now; 'shares' is a key"):
        assert record["shares"] == [0.25, 0.75]
    with pytest.warns(DeprecationWarning, match="'attack' is a key"):
        assert record.attack["acted"]  # type: ignore[attr-defined]
    assert "shares" in record
    assert record.get("nothing") is None
    assert [*record] == [*record.keys()] == [*record.by_old_keys()]
    assert len(record) == len(record.by_old_keys())


def test_a_record_is_true_without_its_old_form(monkeypatch: pytest.MonkeyPatch) -> None:
    record = round_record(3)
    monkeypatch.setattr(RoundRecord, "by_old_keys", lambda _: pytest.fail("the old form was made"))
    assert record


def test_old_keys_warn_however_they_are_asked_for() -> None:
    record = round_record(3)
    with pytest.warns(DeprecationWarning, match="'items' is a key"):
        assert dict(record.items()) == record.by_old_keys()
    with pytest.warns(DeprecationWarning, match="'round' is a key"):
        assert record.get("round") == 3
    with pytest.raises(AttributeError, match="RoundRecord has no attribute 'nothing'"):
        _ = record.nothing  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": VERSION + 1}, f"version: {VERSION + 1}, which only a later fedlens reads"),
        ({"shares": [1.0]}, "shares: 1 of 4 clients"),
        ({"rejected": [77]}, "clients that are not in the cohort"),
        ({"attacker": False}, "contradict each other"),
        ({"cohort": [0, 1, 2, 4]}, "attacker: client 3 is not in the cohort"),
        ({"malformed": [0]}, "checks.norms: not an entry for each of 3 clients"),
        ({"checks": {"norms": {"scores": [1, 2, 3, 4]}}}, "checks.norms.flagged: field required"),
        ({"quality": {"accuracy": "high"}}, "quality.accuracy: "),
    ],
)
def test_an_old_record_that_contradicts_itself(change: dict[str, Any], words: str) -> None:
    checks = {"norms": {"scores": [1.0, 2.0, 3.0, 4.0], "flagged": [False] * 4}}
    line = round_record(1, checks=checks).by_old_keys()
    parsed_round(json.dumps(line).encode(), 3)
    with pytest.raises(ValueError, match=words):
        parsed_round(json.dumps(line | change).encode(), 3)


def test_a_measure_is_found_whoever_recorded_it() -> None:
    from fedlens.runs.record import CheckRecord, ClientRecord

    checks = {
        "statistics": CheckRecord(0.0, False, {"norm": 1.0, "residuals": [0.5]}),
        "theirs": CheckRecord(0.0, False, {"norm": 2.0, "length": 3.0}),
    }
    client = ClientRecord(0, checks=checks, measured={"range": [1.0, 2.0]})
    found = [client.measure(name) for name in ("norm", "residuals", "length", "range", "wasserstein", "nothing")]
    assert found == [1.0, [0.5], 3.0, [1.0, 2.0], None, None]
