"""Data of the user's own are told where data files are, whoever says so, and it is no part of any identity."""

from pathlib import Path

import pytest
import torch
from small import small

from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.loading import load
from fedlens.experiment.setting import prepare
from fedlens.simulation.twin import key


class Told(Data):
    """Keeps in mind where it was told to look."""

    def load(self, directory: Path | None = None) -> Dataset:
        seen.append(directory)
        samples = Samples(torch.rand(60, 4), torch.arange(60) % 3)
        return Dataset(samples, samples, ("a", "b", "c"))


seen: list[Path | None] = []


@pytest.mark.parametrize(
    ("variable", "option", "told"),
    [
        (None, None, None),
        ("", None, None),
        ("here", None, "here"),
        ("here", "there", "there"),
        (None, "there", "there"),
    ],
)
def test_the_directory_is_the_options_or_the_variables(
    variable: str | None, option: str | None, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    if variable is not None:
        monkeypatch.setenv("FEDLENS_DATA", variable)
    load(Told(), Path(option) if option else None)
    assert seen[-1] == (Path(told) if told else None)


def test_no_identity_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, found = small(data=Told(), model="census-mlp", attack=None), set()
    for place in ("here", "there"):
        monkeypatch.setenv("FEDLENS_DATA", place)
        setting = prepare(experiment)
        assert seen[-1] == Path(place)
        found.add((key(setting, "serial"), setting.experiment.identity(), repr(setting.digests())))
    assert len(found) == 1
