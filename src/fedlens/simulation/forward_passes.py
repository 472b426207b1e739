"""The global model as a function, for stages of the server's chain that ask it something."""

import torch
from torch import Tensor

from fedlens.defences.forward import Forward
from fedlens.models.network import Network


def forward_of(network: Network, weights: Tensor, shape: tuple[int, ...]) -> Forward:
    """Return the model as a function of its parameters, with the buffers of the global `weights` (shape ``[d]``).

    Args:
        network: a network that nobody else uses.
        weights: the global weights.
        shape: of one input.
    """
    buffers = weights[network.layout.parameters.size :]

    def answers(parameters: Tensor, inputs: Tensor) -> Tensor:
        with network.at(torch.cat([parameters, buffers])):
            return network.log_probabilities(inputs)

    return Forward(shape, answers)
