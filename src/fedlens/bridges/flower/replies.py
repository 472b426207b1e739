"""Replies of Flower's Message API as a screen sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flwr.app import ArrayRecord, Message, RecordDict
from numpy.typing import NDArray

from fedlens.bridges.wire.screen import Reply
from fedlens.core.errors import ConfigError, cut

USUAL, USUAL_KEY = "arrays", "num-examples"


def arrays_of(record: ArrayRecord) -> dict[str, NDArray[Any]]:
    """Return a copy of a record's arrays."""
    return {name: array.numpy().copy() for name, array in record.items()}


def name_of_arrays(content: RecordDict) -> str:
    """Return the name of the record that holds the weights.

    Raises:
        ConfigError: several may, or none.
    """
    names = list(content.array_records)
    if len(names) == 1:
        return str(names[0])
    if USUAL in names:
        return USUAL
    raise ConfigError(f"a message has records of arrays called {names}; one, or one called {USUAL!r}, is right")


def as_replies(messages: Sequence[Message], key: str, *, weighted: bool) -> list[Reply]:
    """Return what clients sent back, and what is wrong with those that a strategy of Flower would stumble over.

    Args:
        messages: as they came.
        key: the metric that says on how many samples a client trained.
        weighted: whether the strategy cannot do without it.
    """
    forms = Counter(form for message in messages if (form := _form(message)) is not None)
    usual = forms.most_common(1)[0][0] if forms else None
    return [_reply(message, usual, key, weighted=weighted) for message in messages]


Form = tuple[str, str, frozenset[str]]
"""The names of a reply's arrays and of its metrics, and these metrics'."""


def _form(message: Message) -> Form | None:
    if message.has_error() or len(message.content.array_records) != 1 or len(message.content.metric_records) != 1:
        return None
    [(arrays, _)], [(metrics, values)] = message.content.array_records.items(), message.content.metric_records.items()
    return arrays, metrics, frozenset(values)


def _reply(message: Message, usual: Form | None, key: str, *, weighted: bool) -> Reply:
    client = str(message.metadata.src_node_id)
    if message.has_error():
        return Reply(client, fault=f"it is an error: {cut(str(message.error.reason or message.error.code), 200)}")
    content = message.content
    if len(content.array_records) != 1 or (weighted and len(content.metric_records) != 1):
        has = f"{len(content.array_records)} records of arrays and {len(content.metric_records)} of metrics"
        return Reply(client, fault=f"it has {has}; one of each is right")
    form = _form(message)
    if form is not None and usual is not None and form != usual:
        return Reply(
            client, fault=f"its records or metrics are called otherwise than the others': {_words(form, usual)}"
        )
    try:
        arrays = arrays_of(next(iter(content.array_records.values())))
    except Exception as error:  # whatever NumPy, or Flower, raises on made-up bytes
        return Reply(client, fault=f"its arrays cannot be read: {cut(str(error), 200)}")
    metrics: Mapping[str, object] = next(iter(content.metric_records.values()), {})
    if weighted and key not in metrics:
        return Reply(client, arrays, fault=f"it does not say {key}")
    return Reply(client, arrays, metrics.get(key))


def _words(form: Form, usual: Form) -> str:
    """Say in what names a reply differs from the others."""
    for own, right in zip(form[:2], usual[:2], strict=True):
        if own != right:
            return f"{own!r}, not {right!r}"
    odd = sorted(form[2] ^ usual[2])
    return cut(", ".join(map(repr, odd)))


def count_at_most(message: Message, key: str, most: float | None) -> None:
    """Lower the number of samples that a reply claims."""
    for metrics in message.content.metric_records.values():
        claimed = metrics.get(key)
        if most is not None and isinstance(claimed, int | float) and claimed > most:
            metrics[key] = int(most) if isinstance(claimed, int) else most
