import pytest
import torch
from torch import Tensor

from fedlens.core.random import Address
from fedlens.kernels.coin import Coin
from fedlens.kernels.stack import Drop
from fedlens.models.dropout import Dropout
from fedlens.training.dropout_masks import CHUNK, Masks

ADDRESSES = [Address.root(4).at("client", client) for client in range(3)]
DROPS = [Drop(Coin.of(0.5), (3,)), Drop(Coin.of(0.7), (2, 5)), Drop(Coin.of(1.0), (1,))]
LIKE = torch.zeros((), dtype=torch.float64)


def alone(address: Address, sizes: list[int]) -> list[list[Tensor]]:
    """What `Dropout` itself draws, step by step, as zeros and ones."""
    source = address.at("dropout").generator()
    steps = []
    for size in sizes:
        masks = []
        for drop in DROPS:
            layer = Dropout(1 - drop.coin.probability if drop.coin.digits else 2**-20).train()
            layer.source = source
            masks.append((layer(torch.ones(size, *drop.shape, dtype=torch.float64)) > 0).double())
        steps.append(masks)
    return steps


@pytest.mark.parametrize(
    "sizes",
    [
        [[4] * 40, [4] * 40, [4] * 40],
        [([4] * 5 + [1]) * 6, ([4] * 5 + [1]) * 6, ([4] * 5 + [3]) * 6],
        [([4] * 15 + [2]) * 3, [4] * CHUNK, [4, 2]],
    ],
)
def test_masks_are_those_that_each_client_would_draw_alone(sizes: list[list[int]]) -> None:
    masks = Masks(DROPS, sizes, ADDRESSES, LIKE)
    expected = [alone(address, own) for address, own in zip(ADDRESSES, sizes, strict=True)]
    for step in range(len(sizes[0])):
        for client, own in enumerate(sizes):
            if step < len(own):
                found = masks.of(step, slice(client, client + 1))
                for mask, wanted in zip(found, expected[client][step], strict=True):
                    assert torch.equal(mask[0], wanted)


def test_masks_are_the_same_where_few_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [[4] * 9 + [1], [4] * 9 + [2]]
    expected = [alone(address, own) for address, own in zip(ADDRESSES, sizes, strict=False)]
    for room, steps in ((1, 1), (400, 3)):  # two clients of 56 bits a step
        monkeypatch.setattr("fedlens.training.dropout_masks.MAX_BYTES", room)
        masks = Masks(DROPS, sizes, ADDRESSES[:2], LIKE)
        assert masks._bits.shape[1] == steps
        for step in range(10):
            for client in range(2):
                found = masks.of(step, slice(client, client + 1))
                for mask, wanted in zip(found, expected[client][step], strict=True):
                    assert torch.equal(mask[0], wanted)


def test_no_more_is_drawn_than_there_are_steps() -> None:
    assert Masks(DROPS, [[4] * 3], ADDRESSES[:1], LIKE)._bits.shape[1] == 3


def test_masks_of_several_clients_come_together() -> None:
    masks = Masks(DROPS, [[4], [4], [2]], ADDRESSES, LIKE.float())
    together, rest = masks.of(0, slice(0, 2)), masks.of(0, slice(2, 3))
    assert [tuple(mask.shape) for mask in together] == [(2, 4, 3), (2, 4, 2, 5), (2, 4, 1)]
    assert [tuple(mask.shape) for mask in rest] == [(1, 2, 3), (1, 2, 2, 5), (1, 2, 1)]
    assert together[0].dtype == torch.float32
    for client in range(2):
        for mask, wanted in zip(together, alone(ADDRESSES[client], [4])[0], strict=True):
            assert torch.equal(mask[client].double(), wanted)


def test_a_network_without_dropout_has_no_masks() -> None:
    assert Masks([], [[4]], ADDRESSES[:1], LIKE).of(0, slice(0, 1)) == []
