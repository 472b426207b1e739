"""Public names of earlier versions still work, and say what they are called now."""

import pytest

import fedlens


def test_an_old_name_is_the_new_one_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"fedlens\.Auxiliary is now fedlens\.TargetSamples") as caught:
        old = fedlens.Auxiliary
    assert old is fedlens.TargetSamples
    assert caught[0].filename == __file__


def test_old_names_are_not_advertised() -> None:
    assert "Auxiliary" not in fedlens.__all__
    assert "TargetSamples" in fedlens.__all__
