"""FLDetector: leave out clients whose updates are not what their earlier ones let expect.

Z. Zhang, X. Cao, J. Jia, N. Z. Gong, *FLDetector: Defending Federated Learning Against Model Poisoning Attacks via
Detecting Malicious Clients* (KDD 2022). An honest client's update changes as the model does. With B the Hessian that
compact L-BFGS makes of the last N steps of the model and the changes of these steps, the update of client i is expected
to be

    δ̂_i^t = δ_i^{t−1} + B (w_t − w_{t−1}),    d_i = ‖δ̂_i − δ_i‖₂ / Σ_j ‖δ̂_j − δ_j‖₂,

and its score is the mean of its last N values d_i. From round 50 on, the gap statistic tells whether scores fall into
two groups; if so, the clients of the upper of two means are malicious. N = 10 and 20 reference sets are from memory.
Where we complete or leave the paper:

- Excluded clients stay so, and what is kept of the others begins anew, as does the count to `start`. The paper's server
  also begins its training anew; here the model stays what it is.
- The gradient of the server is the step that was taken, w_{t+1} − w_t, whatever rule and optimizer made it. Signs of
  updates and gradients are opposite, which cancels.
- Before there are pairs, B is 0. Where no update differs from what is expected, all d_i are 1/n.
- The paper assumes that all clients take part. Here a value counts if the client was there in the round before, too;
  others keep their scores, and whoever has none scores 0 and is not flagged.

It keeps an update of each client, N pairs as long as the model, and N values of each client. It needs every client's
own update, one at least, and three that score for a decision; f is not told, but attackers are to be fewer than half.
Who sends what its former update lets expect, as with a constant offset, passes. The gap statistic has false alarms: of
drawn scores of 10 honest clients, it found two groups in 19 % of cases if they were evenly spread, in 6 % if each was
the mean of 10 exponential ones, in 4 % if they were normal. As it is asked in every round and an exclusion is for good,
in a long run some honest client is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.filter import Filter
from fedlens.defences.foolsgold import senders
from fedlens.defences.hessian import hessian_times
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Report, Server, State, Updates
from fedlens.defences.two_means import upper_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

REFERENCES = 20
"""Sets that are drawn for the gap statistic."""


class FLDetector(Filter):
    """FLDetector: leave out clients whose updates are not what their earlier ones let expect.

    Attributes:
        window: how many pairs and how many values of each client count (N).
        start: the first round in which clients are judged; after an exclusion, so many rounds pass again.
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import FLDetector, Server, State, Updates
        >>> layout, state = Layout.of(torch.nn.Linear(1, 1, bias=False)), State()
        >>> for round_, last in ((1, 1.0), (2, -5.0)):  # the model stays, and so do all updates but the last
        ...     sent = Updates.received(torch.tensor([[1.0], [1.0], [1.0], [last]]), torch.ones(4).double() / 4)
        ...     server = Server(round_, torch.zeros(1), layout, (0, 1, 2, 3), Address.root(0))
        ...     _, state, report = FLDetector(start=2).apply(sent, server, state)
        >>> report.scores.tolist(), report.flagged.tolist(), state.tensors["excluded"].tolist()
        ([0.0, 0.0, 0.0, 1.0], [False, False, False, True], [3])
    """

    by_client: ClassVar[bool] = True

    window: PositiveInt = 10
    start: PositiveInt = 50

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Compare updates with what is expected of their clients, and exclude whom the gap statistic sets apart.

        Raises:
            ValueError: a stage before has mixed the updates of several clients.
        """
        clients, kept, device = senders(updates, server, "fldetector"), dict(state.clients), updates.rows.device
        excluded = set(state.tensors["excluded"].tolist()) if "excluded" in state.tensors else set()
        count = int(state.tensors.get("rounds", torch.tensor(0))) + 1
        memory, change = self._remembered(server.weights, state.tensors)
        present = [(client, row) for client, row in zip(clients, updates.rows, strict=True) if client not in excluded]
        values = _values(present, kept, change.to(device), count)
        for client, row in present:
            scores = kept[client]["scores"] if client in kept else torch.zeros(0, dtype=torch.float64, device=device)
            if client in values:
                scores = torch.cat([scores, scores.new_tensor([values[client]])])[-self.window :]
            kept[client] = {"update": row.clone(), "scores": scores, "round": torch.tensor(count, device=device)}
        means = {client: _mean(kept, client) for client in clients}
        if count >= self.start and (found := self._found([client for client, _ in present], kept, server)):
            excluded |= found
            kept = {client: {"scores": tensors["scores"]} for client, tensors in kept.items() if client in excluded}
            memory, count = {}, 0
        memory["excluded"] = torch.tensor(sorted(excluded), dtype=torch.int64, device=device)
        memory["rounds"] = torch.tensor(count, device=device)
        scores = torch.tensor([means[client] for client in clients], dtype=torch.float64, device=device)
        flagged = torch.tensor([client in excluded for client in clients], dtype=torch.bool, device=device)
        return Report(scores, flagged), State(memory, kept)

    def _remembered(self, weights: Tensor, memory: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """Return what is kept of the model after this round, and by what updates are expected to have changed."""
        after = {"weights": weights.clone()}
        if "weights" not in memory:
            return after, torch.zeros_like(weights, dtype=torch.float64)
        step = weights - memory["weights"].to(weights)
        steps, changes = (memory.get(name, weights.new_zeros(0, len(weights))).to(weights) for name in PAIRS)
        if "step" in memory and bool((before := memory["step"].to(weights)).any()):
            steps = torch.cat([steps, before[None]])[-self.window :]
            changes = torch.cat([changes, (step - before)[None]])[-self.window :]
        after |= {"step": step, **dict(zip(PAIRS, (steps, changes), strict=True))}
        return after, hessian_times(steps, changes, step)

    def _found(self, present: list[int], kept: Mapping[int, Mapping[str, Tensor]], server: Server) -> set[int]:
        """Return the clients that the gap statistic sets apart, maybe none."""
        scored = [client for client in present if len(kept[client]["scores"])]
        numbers = torch.tensor([_mean(kept, client) for client in scored], dtype=torch.float64).numpy()
        upper = upper_group(numbers, REFERENCES, server.address.at("references").generator())
        return set() if upper is None else {client for client, high in zip(scored, upper, strict=True) if high}


PAIRS = ("steps", "changes")


def _values(
    present: list[tuple[int, Tensor]], kept: Mapping[int, Mapping[str, Tensor]], change: Tensor, count: int
) -> dict[int, float]:
    """Return d_i of each client that was there in the round before."""
    apart: dict[int, float] = {}
    unexpected = torch.empty_like(change)
    for client, row in present:
        before = kept.get(client, {})
        if "round" in before and int(before["round"]) == count - 1:
            torch.add(before["update"].to(row), change, out=unexpected).sub_(row)
            apart[client] = float(norms(unexpected[None]))
    largest = max(apart.values(), default=0)
    if not largest:
        return {client: 1 / len(apart) for client in apart}
    total = sum(value / largest for value in apart.values())
    return {client: value / largest / total for client, value in apart.items()}


def _mean(kept: Mapping[int, Mapping[str, Tensor]], client: int) -> float:
    scores = kept[client]["scores"]
    return float(scores.mean()) if len(scores) else 0.0
