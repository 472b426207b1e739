"""What the server's rule and checks made of the malicious client over a run."""

from dataclasses import asdict

from fedlens.analysis.detection import Performance, performance
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record_values import Record, attacker_mask, malformed, malicious_share, mean


def defence(experiment: Experiment, records: list[Record]) -> Record | None:
    """In how many rounds the malicious client took part, was rejected, was the only one chosen; its mean share."""
    present = [record for record in records if record["attacker"]]
    if not present:
        return None
    malicious_shares = [share for record in present if (share := malicious_share(experiment, record)) is not None]
    shares_by_round = [
        record["shares"] for record in present if record["shares"] is not None and record["skipped"] is None
    ]
    single = bool(shares_by_round) and all(len(shares) > 1 and max(shares) == 1 for shares in shares_by_round)
    return {
        "rounds": len(present),
        "rejected": sum(experiment.malicious in record["rejected"] for record in present),
        **(
            {"malformed": sent}
            if (sent := sum(experiment.malicious in malformed(record) for record in present))
            else {}
        ),
        "skipped": sum(record["skipped"] is not None for record in records),
        "chosen": sum(share == 1 for share in malicious_shares) if single else None,
        "share": mean(malicious_shares) if malicious_shares else None,
    }


def performances(experiment: Experiment, records: list[Record]) -> dict[str, Record]:
    """How well each of the server's checks did, by its name."""
    return {check: asdict(performance_of(experiment, records, check)) for check in records[-1]["checks"]}


def performance_of(experiment: Experiment, records: list[Record], check: str) -> Performance:
    """How well one of them did over these rounds."""
    return performance(
        (record["checks"][check]["scores"], record["checks"][check]["flagged"], attacker_mask(experiment, record))
        for record in records
    )
