"""A last batch of a single sample, of which some layers cannot take statistics, found before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from fedlens.core.errors import ConfigError
from fedlens.core.layout import running_norms
from fedlens.core.origin import told
from fedlens.core.random import Address
from fedlens.data.dataset import Samples
from fedlens.models.network import Network
from fedlens.training.local import LocalTraining


def require_no_lone_samples(
    network: Network, sample: Samples, plan: LocalTraining, sizes: Sequence[int], address: Address
) -> None:
    """Check that no client has to train on a single sample by batch normalisation that cannot.

    Args:
        network: the network.
        sample: one to try it on.
        plan: how clients train.
        sizes: how many samples each client has.
        address: where random draws begin.

    Raises:
        ConfigError: a client would have to.
    """
    client = _alone(plan, sizes)
    if client is None or not running_norms(network.module):
        return
    try:
        with network.training(address):
            network.backward(sample.x, sample.y)
    except Exception as error:
        left = (
            f"client {client} has {sizes[client]} samples and batches of {plan.batch_size}, so that one is left alone"
        )
        wrong = f"local.batch_size: {left}, and the model cannot train on a single one ({told(error)})"
        raise ConfigError(f"{wrong}; {_remedy(plan, sizes)}") from error


def _alone(plan: LocalTraining, sizes: Sequence[int]) -> int | None:
    """Return the first client with a batch of a single sample."""
    return next((client for client, size in enumerate(sizes) if size and 1 in plan.sizes_for(size)), None)


def _remedy(plan: LocalTraining, sizes: Sequence[int]) -> str:
    """Return the next larger size of batches that leaves nobody with a single sample."""
    others = range(plan.batch_size + 1, 4 * plan.batch_size + 4)
    fitting = (size for size in others if _alone(plan.model_copy(update={"batch_size": size}), sizes) is None)
    if (size := next(fitting, None)) is not None:
        return f"e.g. -o local.batch_size={size}"
    return "draw batches with -o local.replacement=true, or normalise by GroupNorm"
