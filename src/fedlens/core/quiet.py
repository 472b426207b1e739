"""Nothing phones home: fedlens sends nothing, and what it starts or imports does not report its use either.

Whoever has set one of these variables otherwise keeps that.
"""

import os

SILENT = {
    "DO_NOT_TRACK": "true",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
}
"""Variables by which Flower, Ray, MLflow, and Hugging Face's libraries are told to send nothing."""


def be_quiet() -> None:
    """Set these variables for this process and all that it starts."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)
