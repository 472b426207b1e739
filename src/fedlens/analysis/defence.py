"""What the server's rule and checks made of the malicious clients over a run."""

from collections.abc import Sequence

from fedlens.analysis.detection import performance
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import mean
from fedlens.runs.run_summary import DefenceSummary, Performance


def defence(records: Sequence[RoundRecord]) -> DefenceSummary | None:
    """Sum up what became of the malicious clients' updates; ``None`` if none ever took part."""
    present = [record for record in records if record.malicious_clients]
    if not present:
        return None
    weights = [weight for record in present if (weight := record.malicious_weight) is not None]
    by_round = [
        by_client
        for record in present
        if record.skipped is None and (by_client := record.effective_weights) is not None
    ]
    single = bool(by_round) and all(len(by_client) > 1 and max(by_client) == 1 for by_client in by_round)
    return DefenceSummary(
        rounds=len(present),
        rejected=sum(all(client.rejected for client in record.malicious_clients) for record in present),
        skipped=sum(record.skipped is not None for record in records),
        chosen=sum(weight == 1 for weight in weights) if single else None,
        effective_weight=mean(weights) if weights else None,
        malformed=sum(any(client.malformed for client in record.malicious_clients) for record in present),
        precision=rejection_precision(records),
        recall=rejection_recall(records),
    )


def rejection_precision(records: Sequence[RoundRecord]) -> float | None:
    """Return the share of the rejected updates of these rounds that were sent in attack; ``None`` if there are none."""
    rejected = [client.attacked for record in records for client in record.clients if client.rejected]
    return mean(rejected) if rejected else None


def rejection_recall(records: Sequence[RoundRecord]) -> float | None:
    """Return the share of the updates sent in attack in these rounds that were rejected; ``None`` if there are none."""
    sent = [client.rejected for record in records for client in record.attackers]
    return mean(sent) if sent else None


def performances(experiment: Experiment, records: Sequence[RoundRecord]) -> dict[str, Performance]:
    """Measure how well each of the server's checks did, and each filter of its chain, by its name."""
    return {check: performance_of(records, check) for check in experiment.judges}


def performance_of(records: Sequence[RoundRecord], check: str) -> Performance:
    """Measure how well one of them did over these rounds."""
    return performance(
        (
            [client.checks[check].score for client in judged],
            [client.checks[check].flagged for client in judged],
            [client.attacked for client in judged],
        )
        for record in records
        for judged in [[client for client in record.clients if check in client.checks]]
    )
