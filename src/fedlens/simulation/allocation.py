"""The tensors that the workers of an engine share."""

from torch import Tensor

from fedlens.experiment.setting import Setting
from fedlens.simulation.engines import Engine
from fedlens.simulation.engines.backdoor_job import variants
from fedlens.simulation.engines.context import SharedTensors


def shared_tensors(setting: Setting, engine: Engine, weights: Tensor, rows: int) -> SharedTensors:
    """Allocate them, before the engine starts.

    Args:
        setting: the prepared experiment.
        engine: where its workers can see them.
        weights: those of a model, shape ``[d]``.
        rows: number of updates.
    """

    def allocate(*shape: int) -> Tensor:
        return engine.allocate(shape, weights.dtype, setting.device)

    samples = len(setting.dataset.test)
    return SharedTensors(
        models=allocate(2, len(weights)),
        updates=allocate(rows, len(weights)),
        log_probabilities=allocate(2, samples, setting.dataset.outputs),
        answers=allocate(asked, 2, samples) if (asked := variants(setting.goal)) else None,
    )
