import pytest

from fedlens.cluster.kinds import kind, require_one_kind
from fedlens.core.errors import ConfigError

HERE = {"fedlens": "1", "torch": "2", "cpu": "x86_64 AVX512 (A)"}
OTHER = HERE | {"cpu": "x86_64 AVX2 (B)"}


def test_this_machine_says_its_versions_and_its_processor() -> None:
    found = kind()
    assert set(found) == {"fedlens", "torch", "numpy", "cpu"}
    assert found == kind()


def test_nodes_of_one_kind_are_taken() -> None:
    assert not require_one_kind({"a": HERE, "b": dict(HERE)}, mixed=False)


def test_a_mix_of_processors_is_refused_with_who_has_what() -> None:
    with pytest.raises(ConfigError, match=r"AVX512 \(A\) on a, c; x86_64 AVX2 \(B\) on b; .*--mixed-cpus"):
        require_one_kind({"a": HERE, "b": OTHER, "c": HERE}, mixed=False)


def test_a_mix_of_processors_can_be_allowed() -> None:
    assert require_one_kind({"a": HERE, "b": OTHER}, mixed=True)


@pytest.mark.parametrize("mixed", [False, True])
def test_different_versions_are_refused_in_any_case(mixed: bool) -> None:
    with pytest.raises(ConfigError, match=r"torch 2 on a; fedlens 1, torch 3 on b; install the same"):
        require_one_kind({"a": HERE, "b": HERE | {"torch": "3"}}, mixed)


def test_a_node_without_fedlens_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"not to be imported.*on b"):
        require_one_kind({"a": HERE, "b": {"fedlens": "not to be imported (No module named 'fedlens')"}}, mixed=False)
