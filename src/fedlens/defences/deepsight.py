"""DeepSight: cluster clients by what they trained on, and drop clusters that seem to have trained on a single class.

P. Rieger, T. D. Nguyen, M. Miettinen, A.-R. Sadeghi, *DeepSight: Mitigating Backdoor Attacks in Federated Learning
Through Deep Model Inspection* (NDSS 2022). Of the last layer's updates, weights ΔW (a row for each of the P classes)
and biases Δb, and of models' answers:

- normalised update energies: E_p = |Δb_p| + Σ_h |ΔW_ph|, NEUP_p = E_p² / Σ_q E_q²;
- threshold exceedings: TE_i is the number of classes with NEUP_p > max(0.01, 1/P) · max_q NEUP_q. A client is
  *suspicious* if TE_i ≤ median(TE) / 2: few classes have all the energy;
- division differences: DDif_p is the mean of f(x; w_G + δ_i)_p / f(x; w_G)_p over 20 000 random inputs x, with f the
  probability of class p; three times, with other inputs;
- cosine distances of Δb.

HDBSCAN clusters clients by each of the three. The mean of whether two clients are in different clusters, over NEUPs,
the mean over DDifs, and cosines, is a distance by which HDBSCAN clusters them again. A cluster is accepted if less than
a third of it is suspicious, its updates are clipped to the median norm of all received, and Δ is their mean.

`deepsight` is all of this; `deepsight-filter` is all but clipping and mean (`median-clip`, `equal-weights`, `mean`).

- Clients in no cluster: the paper leaves them open (from memory). Here each is a cluster of its own, so that it is
  rejected if it is suspicious itself.
- The parameters of HDBSCAN are options, for the paper's are not known to us; ``min_samples`` does not count the client.
- Inputs are independent draws from [0, 1) for each entry. They mean nothing to models of tokens, for which this filter
  is not made. Ratios above e¹⁰⁰ are taken for that. Where half of the clients have no energy at all, nobody is
  suspicious.
- A row's score is the suspicious share of its cluster; 1/3 and above is flagged. The record has the ``exceedings``.
- It sees single updates, the global model and its answers, needs no number of attackers and keeps nothing. Its last
  layer has to have weights and biases, a row and an entry for each class. It takes (n + 1) · 60 000 forward passes a
  round, in one process: ``inputs`` and ``draws`` make it fewer.
- It assumes that attackers train on fewer classes than the honest, and are in clusters of their own. Who poisons a
  small part of data that has all classes is not suspicious, and passes; honest clients with one class do not. In rounds
  without attack, of 200 updates drawn as if of clients with all classes none was rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, PositiveInt
from typing_extensions import override

from fedlens.core.layout import Layout
from fedlens.core.lazy import torch
from fedlens.core.random import Address
from fedlens.defences.clusters import density_clusters
from fedlens.defences.composed import Composed
from fedlens.defences.equal_weights import EqualWeights
from fedlens.defences.filter import Filter
from fedlens.defences.forward import Forward
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.kernels.cosine_distances import cosine_distances

if TYPE_CHECKING:
    from torch import Tensor

ACCEPTED = 1 / 3
"""A cluster is accepted if less than this share of it is suspicious."""

LARGEST_LOG_RATIO = 100.0


def last_layer(rows: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Return the last layer's entries of `rows` (shape ``[n, d]``): weights ``[n, P, k]`` and biases ``[n, P]``.

    Raises:
        ValueError: it does not have both.
    """
    parts = layout.parameters.slices
    found = {part.kind: part for part in parts if part.layer == parts[-1].layer}
    weight, bias = found.get("weight"), found.get("bias")
    if weight is None or bias is None or weight.shape[:1] != bias.shape:
        raise ValueError("deepsight needs a last layer with weights and biases for each class, as nn.Linear has them")
    weights = torch.stack([weight.shaped(row[weight.start : weight.stop]) for row in rows])
    return weights.flatten(2), rows[:, bias.start : bias.stop]


def update_energies(weights: Tensor, biases: Tensor) -> Tensor:
    """Return the normalised update energies of last layers (``[n, P, k]`` and ``[n, P]``), shape ``[n, P]``, float64.

    They are 0 of an update of zeros.
    """
    energies = biases.double().abs() + weights.double().abs().sum(dim=2)
    energies = energies / _positive(energies.amax(dim=1, keepdim=True))
    squares = energies.square()
    return squares / _positive(squares.sum(dim=1, keepdim=True))


def _positive(values: Tensor) -> Tensor:
    return values.where(values > 0, 1)


def exceedings(energies: Tensor) -> Tensor:
    """Return the number of classes whose energy is large, given normalised `energies` (``[n, P]``); shape ``[n]``."""
    share = max(0.01, 1 / energies.shape[1])
    return (energies > share * energies.amax(dim=1, keepdim=True)).sum(dim=1)


def division_differences(rows: Tensor, weights: Tensor, forward: Forward, inputs: int, address: Address) -> Tensor:
    """Return the mean ratio of probabilities of models and the global model.

    Args:
        rows: updates δ_i, shape ``[n, d]``.
        weights: the global model w_G, shape ``[d]``.
        forward: the model.
        inputs: number of random inputs.
        address: where their draws begin.

    Returns:
        Shape ``[n, P]``, float64.
    """
    totals: list[Tensor] | None = None
    for block in forward.random_inputs(inputs, address, rows):
        ours = forward.answers(weights, block).double()
        ratios = [_ratios(forward.answers(weights + row, block).double(), ours).sum(dim=0) for row in rows]
        totals = ratios if totals is None else [total + ratio for total, ratio in zip(totals, ratios, strict=True)]
    assert totals is not None
    return torch.stack(totals) / inputs


def _ratios(theirs: Tensor, ours: Tensor) -> Tensor:
    """Return the ratios of probabilities, given their logarithms; where there is none, the largest."""
    return (theirs - ours).nan_to_num(nan=LARGEST_LOG_RATIO).clamp(max=LARGEST_LOG_RATIO).exp()


def _different(labels: list[int]) -> Tensor:
    """Return 1 for pairs in different clusters and else 0, shape ``[n, n]``, float64."""
    clusters = torch.tensor(labels)
    return (clusters[:, None] != clusters).double()


def suspicious_shares(suspicious: Tensor, labels: list[int]) -> Tensor:
    """Return the suspicious share of each row's cluster, shape ``[n]``, float64."""
    same = 1 - _different(labels)
    return same @ suspicious.double().cpu() / same.sum(dim=1)


class DeepSightFilter(Filter):
    """DeepSight's filter: reject clusters of clients of which a third or more seem to have trained on few classes.

    Attributes:
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.
        inputs: number of random inputs for division differences.
        draws: how many times that many inputs are drawn.
        min_cluster_size: the least number of clients that HDBSCAN takes for a cluster.
        min_samples: of how many clients nearby HDBSCAN measures density.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import DeepSightFilter, Forward, Server, State, Updates
        >>> layout = Layout.of(torch.nn.Sequential(torch.nn.Linear(1, 4)))
        >>> honest, attacker = torch.tensor([1.0, 2, 1, 2, 1, 2, 1, 2]), torch.tensor([9.0, 0, 0, 0, 9, 0, 0, 0])
        >>> updates = Updates.received(torch.stack([honest] * 3 + [attacker] * 2), torch.ones(5).double() / 5)
        >>> forward = Forward((1,), lambda weights, x: (x * weights[:4] + weights[4:]).log_softmax(dim=1))
        >>> server = Server(1, torch.zeros(8), layout, (0, 1, 2, 3, 4), Address.root(0), forward=forward)
        >>> report = DeepSightFilter(inputs=10).apply(updates, server, State())[2]
        >>> report.details["exceedings"], report.flagged
        ([2.0, 2.0, 2.0, 1.0, 1.0], tensor([False, False, False,  True,  True]))
    """

    needs_model: ClassVar[bool] = True

    inputs: PositiveInt = 20_000
    draws: PositiveInt = 3
    min_cluster_size: int = Field(default=2, ge=2)
    min_samples: PositiveInt = 1

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Score by `suspicious_shares`.

        Raises:
            ValueError: the server has no model to call, or the model no last layer with weights and biases.
        """
        if server.forward is None:
            raise ValueError("deepsight needs a model to call, Server.forward")
        weights, biases = last_layer(updates.rows, server.layout)
        energies = update_energies(weights, biases)
        counts = exceedings(energies)
        suspicious = counts <= counts.double().quantile(0.5) / 2
        if not bool(counts.double().quantile(0.5)):
            suspicious = torch.zeros_like(suspicious)
        divisions = [
            self._apart(division_differences(updates.rows, server.weights, server.forward, self.inputs, address))
            for address in (server.address.at("inputs", draw) for draw in range(self.draws))
        ]
        cosines = _different(self._clusters(cosine_distances(biases)))
        merged = self._apart(energies) + torch.stack(divisions).mean(dim=0) + cosines  # their mean clusters alike
        scores = suspicious_shares(suspicious, self._clusters(merged)).to(updates.rows.device)
        return Report(scores, scores >= ACCEPTED, details={"exceedings": counts.double().tolist()}), state

    def _apart(self, features: Tensor) -> Tensor:
        """Tell which clients are in different clusters by the Euclidean distances of `features` (``[n, P]``)."""
        return _different(self._clusters(torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")))

    def _clusters(self, distances: Tensor) -> list[int]:
        return density_clusters(distances, self.min_cluster_size, self.min_samples)


class DeepSight(Composed):
    """DeepSight: the mean of clusters that do not seem to have trained on few classes, clipped to the median norm.

    Attributes:
        action: ``reject`` drops what the filter flags; ``observe`` keeps all, and records scores and decisions.
        inputs: number of random inputs for division differences.
        draws: how many times that many inputs are drawn.
        min_cluster_size: the least number of clients that HDBSCAN takes for a cluster.
        min_samples: of how many clients nearby HDBSCAN measures density.

    Example:
        >>> from fedlens.defences import Chain
        >>> Chain.of({"name": "deepsight", "inputs": 1000}).names
        ['deepsight-filter', 'median-clip', 'equal-weights', 'mean']
    """

    action: Literal["reject", "observe"] = "reject"
    inputs: PositiveInt = 20_000
    draws: PositiveInt = 3
    min_cluster_size: int = Field(default=2, ge=2)
    min_samples: PositiveInt = 1

    @override
    def stages(self) -> tuple[Link, ...]:
        return DeepSightFilter(**dict(self)), MedianClip(), EqualWeights(), Mean()
