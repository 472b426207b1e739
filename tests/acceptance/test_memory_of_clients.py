"""Memory of a run with many clients is that of the data, not of the clients."""

import memory
import pytest

pytestmark = pytest.mark.acceptance


def test_ten_thousand_clients_take_the_memory_of_a_hundred() -> None:
    few, many = map(memory.alone, memory.CLIENTS)
    data = memory.SAMPLES * (memory.WIDTH * 4 + 8)
    assert few > data / 2, "the data have not been counted"
    assert many < few + data / 2
    assert many < 4 * data
