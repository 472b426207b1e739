"""FLANDERS: leave out clients whose models are not what those of the last rounds let expect.

E. Gabrielli, D. Belli, Z. Matrullo, V. Miori, G. Tolomei, *Securing Federated Learning Against Extreme Model Poisoning
Attacks via Multidimensional Time Series Anomaly Detection on Local Updates* (IEEE TIFS 2025; arXiv 2303.16668). The
local models w_t + δ_i of a round are the rows of a matrix X_t, of which 500 entries drawn once count. A matrix
autoregressive model is fitted to the last l matrices, and says what comes next:

    A, B = argmin Σ_s ‖X_s − A X_{s−1} B‖²,    X̂_t = A X_{t−1} B,    d_i = ‖x_i − x̂_i‖₂,

by least squares for A and for B in turn, up to 100 times. The f clients with the highest d_i are flagged; then comes
any rule. Whoever was flagged counts in later rounds with the global model that came out of that round. The 500 entries,
100 iterations, the plain L2 norm and a fit without ridge are those of the authors' code. Where we complete or leave it:

- The window is 10 rounds; the authors' configuration has 30, which takes several times as long.
- The fit begins with A and B = I in place of random ones, and ends when forecasts no longer change, so that the order
  of clients does not matter. It takes the shortest solution, without directions below 1e-6 of the largest.
- It is done in the span of the rows that are at hand, which gives the same forecast with smaller matrices.
- Entries are drawn without replacement. The authors' code also counts a transition from the window's last matrix to
  its first, and fits A and B to shifted models but applies them to the plain ones; neither is done here.
- Whoever was away, or was flagged and only observed, counts with the next global model, too.
- Who ties with the last that is kept is kept. The score is d_i over its mean, which means the same in every round;
  the record also has d_i, as ``distance``.

It needs more than f updates, each of one client, and judges from the third round on; with f = 0 it flags nobody. It
sees the model, and keeps l · 500 numbers of each client and of the global model. It assumes that nobody attacks before
it judges, and then bears a majority of attackers. It is made for extreme updates: of two among ten clients on digits,
it flagged both in every round in which they sent noise (`gaussian`), and in no more than chance would where they
flipped signs (one seed). Who hides among the honest from the first round on passes, and fits are at their worst where
the window has about as many rows as there are entries. It flags f clients in every round that it judges, also without
attack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, NonNegativeInt, PositiveInt
from typing_extensions import override

from fedlens.core.lazy import torch
from fedlens.defences.filter import Filter
from fedlens.defences.foolsgold import senders
from fedlens.defences.norm_clipping import norms
from fedlens.defences.stage import Report, Server, State, Updates

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor

    Matrices = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

ROUNDING = 1e-9
"""Distances that differ by less, relatively, or by less of a model's length, are the same."""
RESOLUTION = 1e-6
"""Singular values below this share of the largest are 0, as is a change of the forecast below it."""
LARGEST = 1e300


def forecast(series: Matrices, iterations: int) -> Matrices:
    """Return what a matrix autoregressive model expects after `series`.

    Args:
        series: a matrix of each round, of clients by entries, in order; shape ``[rounds, n, d]``, two rounds at least.
        iterations: how many times A and B are fitted at most.

    Returns:
        A X B, with X the last matrix; shape ``[n, d]``.
    """
    import numpy as np

    rounds, count, size = series.shape
    _, values, directions = np.linalg.svd(series.reshape(-1, size), full_matrices=False)
    basis = directions[values > RESOLUTION * values[0]]
    inside = (series.reshape(-1, size) @ basis.T).reshape(rounds, count, len(basis))
    if not len(basis):
        return np.zeros((count, size))
    before, after, right = inside[:-1], inside[1:], np.eye(len(basis))
    side, stack = np.concatenate(list(after), axis=1), np.concatenate(list(after))
    expected = inside[-1]
    for _ in range(iterations):
        left = np.linalg.lstsq(np.concatenate(list(before @ right), axis=1).T, side.T, rcond=RESOLUTION)[0].T
        right = np.linalg.lstsq(np.concatenate(list(left @ before)), stack, rcond=RESOLUTION)[0]
        last, expected = expected, left @ inside[-1] @ right
        if np.abs(expected - last).max() <= RESOLUTION * np.abs(expected).max():
            break
    found: Matrices = expected @ basis
    return found


def distances(models: Tensor, past: Tensor, iterations: int) -> tuple[Tensor, Tensor, float]:
    """Compute how far `models` (float64, ``[n, d]``) are from the `forecast` of the `past` (``[rounds, n, d]``).

    Returns:
        The distances and the models' lengths, ``[n]`` each, in units of the past's largest entry; and that entry.
    """
    scale = float(past.abs().max()) or 1.0
    expected = torch.from_numpy(forecast((past / scale).cpu().numpy(), iterations))
    units = (models.cpu() / scale).clamp(-LARGEST, LARGEST)
    return norms(units - expected.clamp(-LARGEST, LARGEST)), norms(units), scale


class Flanders(Filter):
    """FLANDERS: leave out the f clients whose models are farthest from what the last rounds let expect.

    Attributes:
        f: number of malicious clients that the server assumes.
        window: to how many rounds before the present one the model is fitted (l).
        entries: how many of the model's entries count; all, if there are no more.
        iterations: how many times A and B are fitted at most.
        action: ``reject`` drops flagged rows; ``observe`` keeps all, and records scores and decisions.

    Example:
        >>> import torch
        >>> from fedlens import Address, Layout
        >>> from fedlens.defences import Flanders, Server, State, Updates
        >>> layout, state = Layout.of(torch.nn.Linear(2, 1, bias=False)), State()
        >>> for round_, last in ((1, 1.0), (2, 3.0), (3, 10.0)):  # 4 = 2 * 2 and 9 = 3 * 3 are expected at last
        ...     sent = Updates.received(torch.tensor([[2.0 ** (round_ - 1), 0], [0, last]]), torch.ones(2).double() / 2)
        ...     server = Server(round_, torch.zeros(2), layout, (0, 1), Address.root(0))
        ...     _, state, report = Flanders(f=1).apply(sent, server, state)
        >>> [round(value, 6) for value in report.details["distance"]], report.flagged.tolist()
        ([0.0, 1.0], [False, True])
    """

    by_client: ClassVar[bool] = True

    f: NonNegativeInt
    window: int = Field(default=10, ge=2)
    entries: PositiveInt = 500
    iterations: PositiveInt = 100

    @override
    def needed(self, following: int) -> int:
        """Return f more than have to leave it."""
        return max(following, 1) + self.f

    @override
    def judge(self, updates: Updates, server: Server, state: State) -> tuple[Report, State]:
        """Flag by `distances` from what the clients at hand are expected to send.

        Raises:
            ValueError: there are no more than f updates, or a stage before has mixed those of several clients.
        """
        clients, device = senders(updates, server, "flanders"), updates.rows.device
        if len(clients) <= self.f:
            raise ValueError(f"flanders drops {self.f} updates, and there are {len(clients)}")
        count = int(state.tensors.get("rounds", torch.tensor(0))) + 1
        entries = state.tensors["entries"].to(device) if count > 1 else self._drawn(server).to(device)
        model = server.weights.to(device)[entries].double()
        models = model + updates.rows[:, entries].double()
        memory = {"rounds": torch.tensor(count, device=device), "entries": entries}
        if count > 1:
            known = state.tensors.get("models", model.new_zeros(0, len(model))).to(model)
            memory["models"] = torch.cat([known, model[None]])[-self.window :]
        far = torch.zeros(len(clients), dtype=torch.float64)
        flagged, scale = torch.zeros(len(clients), dtype=torch.bool), 1.0
        if count > 2:
            past = torch.stack([_past(state.clients.get(client, {}), memory["models"], count) for client in clients])
            far, lengths, scale = distances(models, past.transpose(0, 1), self.iterations)
            last = far.argsort()[len(far) - 1 - self.f]
            flagged = far > far[last] * (1 + ROUNDING) + ROUNDING * lengths[last]
        kept = dict(state.clients)
        for client, own, dropped in zip(clients, models, flagged.tolist(), strict=True):
            if not dropped:
                kept[client] = _added(kept.get(client, {}), own, count, self.window)
        details = {"distance": (far * scale).clamp(max=torch.finfo(far.dtype).max).tolist()}
        relative = far / (float(far.max()) or 1)
        scores = relative / (float(relative.mean()) or 1)
        return Report(scores.to(device), flagged.to(device), details={**details}), State(memory, kept)

    def _drawn(self, server: Server) -> Tensor:
        """Return which entries count, in order."""
        size = len(server.weights)
        if self.entries >= size:
            return torch.arange(size)
        drawn = server.address.at("entries").generator().choice(size, self.entries, replace=False, shuffle=False)
        return torch.from_numpy(drawn).sort().values


def _past(kept: Mapping[str, Tensor], after: Tensor, count: int) -> Tensor:
    """Return a client's models in the rounds before, and the global model `after` a round for which there is none."""
    past = after.clone()
    first = count - len(after)
    for round_, own in zip(kept["rounds"].tolist(), kept["models"], strict=True) if kept else ():
        if round_ >= first:
            past[round_ - first] = own.to(past)
    return past


def _added(kept: Mapping[str, Tensor], own: Tensor, count: int, window: int) -> dict[str, Tensor]:
    """Return what is kept of a client, with the model of this round."""
    models, rounds = own[None], torch.tensor([count], device=own.device)
    if kept:
        models, rounds = torch.cat([kept["models"].to(models), models]), torch.cat([kept["rounds"].to(rounds), rounds])
    recent = rounds > count - window
    return {"models": models[recent], "rounds": rounds[recent]}
