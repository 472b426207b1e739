import socket
import sys

import pytest

from fedlens.cluster.connection import connected
from fedlens.core.errors import ConfigError
from fedlens.simulation.simulation import Runtime


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_without_ray_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'fedlens\[ray\]'"), connected():
        pass


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:CLOSED", "nobody answers there.*ray start --head"),
        ("127.0.0.1:99999", "nobody answers there"),
        ("ray://127.0.0.1:10001", "run fedlens on a node"),
        ("nonsense", "could be had at nonsense: Invalid address"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_at_once(address: str, words: str) -> None:
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    with pytest.raises(ConfigError, match=words), connected(address.replace("CLOSED", str(closed_port()))):
        pass


def test_the_address_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    monkeypatch.setenv("RAY_ADDRESS", "ray://from-environment:1")
    with pytest.raises(ConfigError, match="from-environment"), connected():
        pass


def test_workers_of_a_cluster_elsewhere_are_not_ours_to_choose() -> None:
    pytest.importorskip("ray", reason="needs fedlens[ray]")
    with pytest.raises(ConfigError, match=r"--workers.*has its own"), connected("127.0.0.1:1", workers=2):
        pass


@pytest.mark.parametrize("means", [Runtime(address="auto"), Runtime(engine="processes", mixed_cpus=True)])
def test_a_clusters_options_need_the_engine(means: Runtime) -> None:
    from small import small

    with pytest.raises(ConfigError, match="are for --engine ray"):
        means.cluster(small())
