"""FLAME: keep the majority of models that point the same way, clip to the median norm, average, and add noise.

T. D. Nguyen, P. Rieger, H. Chen, H. Yalame, H. Möllering, H. Fereidooni, S. Marchal, M. Miettinen, A. Mirhoseini, S.
Zeitouni, F. Koushanfar, A.-R. Sadeghi, T. Schneider, *FLAME: Taming Backdoors in Federated Learning* (USENIX Security
2022). Of n updates δ_i,

1. the distances 1 − cos(w_G + δ_i, w_G + δ_j) of local *models* are clustered by HDBSCAN (``min_cluster_size`` ⌊n/2⌋ +
   1, ``min_samples`` 1), and the cluster L is accepted;
2. S is the median of the norms ‖δ_i‖ of all n updates, and δ_i ← δ_i · min(1, S / ‖δ_i‖);
3. Δ = 1/|L| Σ_{i ∈ L} δ_i;
4. w_G ← w_G + Δ + N(0, (λ S)² I).

`flame` is all of them. Each step is a stage of its own: `flame-filter`, `median-clip`, `equal-weights` with `mean`, and
`median-noise`. A chain has one server optimizer, and noise is one: with `fedavgm` behind, say ``noise: 0``.

- HDBSCAN with these parameters accepts the first group of single linkage that has a strict majority, which is what is
  computed (`fedlens.defences.clusters.majority_heights`). The paper leaves ties open: rows at the same distance from
  the group are accepted with it, so that nobody is rejected where all updates are equal.
- A row's score is the height at which single linkage puts it into a group of the majority, from 0 to 2. The accepted
  have the least score of the round; there is no boundary that is the same in every round.
- It sees single updates and the global model, needs no number of attackers and keeps nothing. It assumes m < n/2
  attackers, who are *farther* from the honest models than these are from each other. Of one or two updates, none is
  rejected: three are the least that make sense.
- Clustering rejects whoever is not in the first majority, in a round without attack also up to half of the honest
  clients. Of ten independent draws of N(0, I) it rejects about four: see `median-clip` for what limits the damage of
  those that it accepts.
"""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat
from typing_extensions import override

from fedlens.defences.clusters import majority_heights
from fedlens.defences.composed import Composed
from fedlens.defences.equal_weights import EqualWeights
from fedlens.defences.filter import Filter
from fedlens.defences.links import Link
from fedlens.defences.mean import Mean
from fedlens.defences.median_clip import MedianClip
from fedlens.defences.median_noise import MedianNoise
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.kernels.cosine_distances import cosine_distances


class FlameFilter(Filter):
    """FLAME's filter: reject updates whose models are not in the first majority of single linkage by cosine.

    Attributes:
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FlameFilter, Server, State, Updates
        >>> models = torch.tensor([[1, 0.0], [1, 0.01], [1, -0.01], [-1, 0.2], [-1, -0.2]])
        >>> updates = Updates.received(models, torch.ones(5).double() / 5)
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (0, 1, 2, 3, 4), Address.root(0))
        >>> FlameFilter().apply(updates, server, State())[2].flagged
        tensor([False, False, False,  True,  True])
    """

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        heights = majority_heights(cosine_distances(updates.rows, server.weights))
        return Report(heights, heights > heights.min()), state


class Flame(Composed):
    """FLAME: the mean of the majority that points the same way, clipped to the median norm, and noise.

    Attributes:
        action: ``reject`` drops what the filter flags; ``observe`` keeps all, and records scores and decisions.
        noise: standard deviation of each entry's noise in units of the median norm (λ).

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Flame, Server, State, Updates
        >>> models = torch.tensor([[1, 0.0], [1, 0.1], [1, -0.1], [-50, 0.2], [-50, -0.2]])
        >>> updates = Updates.received(models, torch.ones(5).double() / 5)
        >>> layout = Layout.of(torch.nn.Linear(2, 1, bias=False))
        >>> server = Server(1, torch.zeros(2), layout, (0, 1, 2, 3, 4), Address.root(0))
        >>> Flame(noise=0).apply(updates, server, State())[0].rows
        tensor([[1., 0.]])
    """

    action: Literal["reject", "observe"] = "reject"
    noise: NonNegativeFloat = 0.001

    @override
    def stages(self) -> tuple[Link, ...]:
        noise = (MedianNoise(factor=self.noise),) if self.noise > 0 else ()
        return FlameFilter(action=self.action), MedianClip(), EqualWeights(), Mean(), *noise
