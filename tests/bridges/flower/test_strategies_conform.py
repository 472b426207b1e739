"""`fedlens conform` with strategies of Flower: which are what they are called after, and what is known of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from flwr.server import strategy as former
from flwr.serverapp import strategy as flower

from fedlens import conform
from fedlens.bridges.flower import as_rule
from fedlens.cli import main
from fedlens.core.errors import ConfigError

EXPECTED = {
    "krum": {"f": "num_malicious_nodes"},
    "multi-krum": {"f": "num_malicious_nodes", "m": "num_nodes_to_select"},
}


def command(*words: str) -> int:
    """What `fedlens conform` ends with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fedlens", "conform", *words])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("theirs", "method", "options"),
    [
        (flower.FedAvg, "mean", {}),
        (flower.FedMedian, "median", {}),
        (flower.Krum, "krum", {"f": 1}),
        (former.FedTrimmedAvg, "trimmed-mean", {"f": 2}),  # by the share f/n, which is cut rightly for these n
    ],
)
def test_those_that_agree(theirs: Any, method: str, options: dict[str, Any]) -> None:
    found = conform(as_rule(theirs), method, names=EXPECTED.get(method, {}), options=options)
    assert [finding.words for finding in found.findings if not finding.conforms] == []
    assert any(finding.case.startswith("unequal weights") for finding in found.findings)
    assert found.subject == theirs.__name__


def test_multi_krum_differs_where_weights_are_unequal_and_only_there() -> None:
    found = conform(as_rule(flower.MultiKrum), "multi-krum", names=EXPECTED["multi-krum"], options={"f": 1, "m": 3})
    differing = [finding.case for finding in found.findings if not finding.conforms]
    assert differing == ["unequal weights: n = 7, f = 1, m = 3"]


def test_a_share_is_as_wrong_here_as_it_is_there() -> None:
    """int(1/49 * 49) is 0, so that the largest of 49 values is not cut."""
    import torch

    rows = torch.zeros(49, 1)
    rows[0] = 49
    found = as_rule(flower.FedTrimmedAvg)(f=1).aggregate(rows, weights=torch.ones(49), round=1)
    assert found is not None
    assert found.item() == pytest.approx(1)


def test_the_command_agrees_and_names_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["flwr.serverapp.strategy:FedMedian", "--as", "median", "--json", str(tmp_path / "found.json")]
    assert command(*words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Known of Flower's FedMedian, as of flwr 1.41.0: it passes on what is not finite" in printed
    assert "flwr.serverapp.strategy:FedMedian agrees with median in all" in printed
    assert "passes on what is not finite" in json.loads((tmp_path / "found.json").read_text())["known"][0]


def test_a_function_of_the_users_and_what_it_makes_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_flower_rules.py").write_text(
        "from flwr.serverapp.strategy import FedAvg, FedMedian\n"
        "def strategy():\n    return FedMedian()\n"
        "def nothing():\n    return 5\n"
        "def mean(updates):\n    return updates.mean(axis=0)\n"
        "class Mine(FedAvg):\n    pass\n"
    )
    assert command("my_flower_rules:strategy", "--as", "median") == 0
    assert command("my_flower_rules:Mine", "--as", "mean") == 0
    assert command("my_flower_rules:mean", "--as", "mean") == 0
    assert command("my_flower_rules:nothing", "--as", "mean") == 2
    assert "nothing makes 5, and no strategy of Flower" in " ".join(capsys.readouterr().err.split())


def test_an_option_that_nobody_gives_is_named() -> None:
    with pytest.raises(ConfigError, match="FedProx needs proximal_mu"):
        conform(as_rule(former.FedProx), "mean")
