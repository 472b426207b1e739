"""Public names of earlier versions still work, and say what they are called now."""

from pathlib import Path

import pytest

import fedlens
from fedlens.sweeps.sweep_directory import SweepDirectory


def test_an_old_name_is_the_new_one_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"fedlens\.Auxiliary is now fedlens\.TargetSamples") as caught:
        old = fedlens.Auxiliary
    assert old is fedlens.TargetSamples
    assert caught[0].filename == __file__


def test_old_names_are_not_advertised() -> None:
    assert "Auxiliary" not in fedlens.__all__
    assert "TargetSamples" in fedlens.__all__


def test_the_packages_names_are_those_of_the_documentation() -> None:
    assert dir(fedlens) == sorted(fedlens.__all__)


def test_an_experiments_old_method_is_the_new_one_and_warns() -> None:
    experiment = fedlens.Experiment()
    with pytest.warns(DeprecationWarning, match=r"Experiment\.parts is now Experiment\.components") as caught:
        old = experiment.parts()
    assert caught[0].filename == __file__
    assert list(old) == list(experiment.components())


def test_a_sweeps_old_attribute_is_the_new_one_and_warns(tmp_path: Path) -> None:
    sweep = fedlens.Sweep(SweepDirectory(tmp_path), [], [])
    with pytest.warns(DeprecationWarning, match=r"Sweep\.place is now Sweep\.directory"):
        assert sweep.place is sweep.directory
