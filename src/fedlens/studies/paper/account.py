"""The cost of a reproduction's runs, and the machines and versions that made them."""

from typing import Any

from fedlens.runs.reading import read_starts, read_timings
from fedlens.studies.paper.evidence import Evidence


def account(evidence: Evidence) -> dict[str, Any]:
    """Return the numbers of ``runs`` and ``rounds``, their ``hours`` added up, and ``machines`` and ``versions``.

    Benign twins are not included.
    """
    hours, machines, versions = 0.0, set(), set()
    for run in evidence.all_runs:
        hours += sum(timing.seconds for timing in read_timings(run.path)) / 3600
        for start in read_starts(run.path):
            machines.add(f"{start.platform} ({start.numerics.get('cpu')})")
            fedlens, torch = (start.packages.get(name) for name in ("fedlens", "torch"))
            versions.add(f"fedlens {fedlens}, torch {torch}, Python {start.python}")
    return {
        "runs": len(evidence.all_runs),
        "rounds": sum(len(run.records) for run in evidence.all_runs),
        "hours": round(hours, 2),
        "machines": sorted(machines),
        "versions": sorted(versions),
    }
