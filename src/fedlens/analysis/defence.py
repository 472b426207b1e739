"""What the server's rule and checks made of the malicious client over a run."""

from collections.abc import Sequence

from fedlens.analysis.detection import performance
from fedlens.experiment.experiment import Experiment
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import mean
from fedlens.runs.run_summary import DefenceSummary, Performance


def defence(records: Sequence[RoundRecord]) -> DefenceSummary | None:
    """Sum up what became of the malicious client's updates; ``None`` if it never took part."""
    present = [(record, client) for record in records if (client := record.malicious) is not None]
    if not present:
        return None
    weights = [client.effective_weight for _, client in present if client.effective_weight is not None]
    by_round = [
        by_client
        for record, _ in present
        if record.skipped is None and (by_client := record.effective_weights) is not None
    ]
    single = bool(by_round) and all(len(by_client) > 1 and max(by_client) == 1 for by_client in by_round)
    return DefenceSummary(
        rounds=len(present),
        rejected=sum(client.rejected for _, client in present),
        skipped=sum(record.skipped is not None for record in records),
        chosen=sum(weight == 1 for weight in weights) if single else None,
        effective_weight=mean(weights) if weights else None,
        malformed=sum(client.malformed for _, client in present),
    )


def performances(experiment: Experiment, records: Sequence[RoundRecord]) -> dict[str, Performance]:
    """Measure how well each of the server's checks did, and each filter of its chain, by its name."""
    return {check: performance_of(records, check) for check in experiment.judges}


def performance_of(records: Sequence[RoundRecord], check: str) -> Performance:
    """Measure how well one of them did over these rounds."""
    return performance(
        (
            [client.checks[check].score for client in judged],
            [client.checks[check].flagged for client in judged],
            [client is record.attacker for client in judged],
        )
        for record in records
        for judged in [[client for client in record.clients if check in client.checks]]
    )
