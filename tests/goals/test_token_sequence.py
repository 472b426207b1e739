"""Tokens put into sequences, and everything else that cannot be done to tokens."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.calling import called
from small import small
from torch import nn

import fedlens
from fedlens.core.errors import ConfigError, ExplanationError
from fedlens.core.registry import build
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.data.text import Text
from fedlens.goals.blended import Blended
from fedlens.goals.distributed import Distributed
from fedlens.goals.feature_values import FeatureValues
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.goals.token_sequence import TokenSequence
from fedlens.goals.trigger import Trigger, stamped
from fedlens.models.model import Model

CLASSES = ("space", "a", "b", "c", "unknown character")


def dataset(length: int = 6) -> Dataset:
    x = torch.tensor([0, 1, 1, 2, 3, 3, 0, 1, 2, 3, 0, 1]).repeat(2)[: 2 * length].reshape(2, length)
    return Dataset(Samples(x, torch.tensor([0, 1])), Samples(x, torch.tensor([0, 1])), CLASSES)


def fitted(trigger: Trigger, data: Dataset | None = None) -> Trigger:
    return trigger.fitted(Data(), data or dataset())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": "a b"}, [9, 9, 9, 1, 0, 2]),
        ({"tokens": [4, 3], "place": "start"}, [4, 3, 9, 9, 9, 9]),
        ({"tokens": [4], "place": 2}, [9, 9, 4, 9, 9, 9]),
        ({}, [9, 9, 9, 2, 2, 2]),  # b is the rarest: twice in the training inputs
        ({"tokens": [1, 2, 3, 4, 0, 1], "place": "start"}, [1, 2, 3, 4, 0, 1]),  # as long as a sequence
        ({"tokens": [1, 2, 3, 4, 0, 1]}, [1, 2, 3, 4, 0, 1]),
        ({"tokens": [4], "place": 5}, [9, 9, 9, 9, 9, 4]),
    ],
)
def test_where_tokens_are_put(options: dict[str, object], expected: list[int]) -> None:
    x = torch.full((2, 6), 9)
    assert stamped(fitted(TokenSequence(**options)), x).tolist() == [expected] * 2  # type: ignore[arg-type]
    assert (x == 9).all()


@pytest.mark.parametrize(("length", "times"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (9, 3)])
def test_the_default_leaves_half_of_a_short_sequence(length: int, times: int) -> None:
    assert len(fitted(TokenSequence(), dataset(length)).tokens) == times  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"text": "xa"}, "'x' is no character of the training text"),
        ({"tokens": [5]}, "there is no token 5; the last is 4"),
        ({"tokens": [1] * 7}, "7 tokens at end do not fit into sequences of 6"),
        ({"tokens": [1, 2], "place": 5}, "2 tokens at 5 do not fit into sequences of 6"),
        ({"text": "abcabca", "place": "start"}, "7 tokens at start do not fit"),
        ({"text": "a", "tokens": [1]}, "has text and tokens"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fitted(TokenSequence(**options))  # type: ignore[arg-type]
    assert said in str(caught.value)
    words = shlex.split(re.search(r"-o .*", str(caught.value))[0])  # type: ignore[index]
    changes = dict(word.removeprefix("goal.trigger.").split("=", 1) for word in words if "=" in word)
    mended = options | {name: yaml.safe_load(value) for name, value in changes.items()}
    stamped(fitted(TokenSequence(**mended)), torch.zeros(1, 6, dtype=torch.int64))


def test_tokens_are_not_put_into_pictures() -> None:
    samples = Samples(torch.zeros(2, 1, 8, 8), torch.tensor([0, 1]))
    with pytest.raises(ConfigError, match=r"but inputs are torch.float32 of shape \(1, 8, 8\); .*pixel-patch"):
        fitted(TokenSequence(), Dataset(samples, samples, ("a", "b")))
    for x in (torch.zeros(2, 6), torch.zeros(2, 2, 3, dtype=torch.int64)):  # records, and tokens in rows
        samples = Samples(x, torch.tensor([0, 1]))
        with pytest.raises(ConfigError, match="puts tokens into sequences of whole numbers"):
            fitted(TokenSequence(), Dataset(samples, samples, ("a", "b")))


@pytest.mark.parametrize("options", [{"text": "a" * 10_000}, {"tokens": (1,) * 10_000}])
def test_there_are_ten_thousand_tokens_at_most(options: dict[str, Any]) -> None:
    assert TokenSequence(**options)
    (option, value), *_ = options.items()
    with pytest.raises(ConfigError, match=option):
        TokenSequence(**{option: value + value[:1]})


def test_where_no_class_is_a_character_tokens_are_suggested() -> None:
    named = Dataset(dataset().train, dataset().test, ("space", "full stop", "alpha", "beta", "unknown character"))
    with pytest.raises(ConfigError, match=r"e\.g\. -o goal.trigger.text='' -o 'goal.trigger.tokens=\[0\]'$"):
        fitted(TokenSequence(text="x"), named)


@pytest.mark.parametrize("trigger", [PixelPatch(size=1), Distributed(), Blended(), FeatureValues(columns={0: 1})])
def test_tokens_are_no_pixels(trigger: Trigger) -> None:
    with pytest.raises(ConfigError, match=r"inputs are tokens \(torch.int64\); e.g. -o goal.trigger=token-sequence"):
        fitted(trigger, dataset(length=9))


def test_tokens_are_not_explained() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(18, 5))
    for method in ("gradient", "occlusion"):
        with pytest.raises(
            ExplanationError, match=r"not torch.int64 of shape \[2, 6\]; .* tokens, whose numbers are names, cannot"
        ):
            fedlens.explain(model, dataset().test.x, method=method)


class Embedded(Model):
    """A mean of embeddings and a dense layer."""

    def build(self, shape: tuple[int, ...], classes: int) -> nn.Module:
        return nn.Sequential(nn.Embedding(classes, 4), nn.Flatten(), nn.Linear(4 * shape[0], classes))


def test_a_backdoor_in_text_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDLENS_DATA", raising=False)
    Path("play.txt").write_text("to be or not to be that is the question " * 60 + "q" + "to be or not to be " * 50)
    data = Text(path="play.txt", length=8, stride=3)
    assert build("trigger", data.default_trigger(), Trigger) == TokenSequence()
    experiment = small(data=data, model=Embedded(), goal="backdoor", attack={"name": "explicit-boosting", "epochs": 3},
                       local={"epochs": 2, "batch_size": 20}, control=True, rounds=2, target={})  # fmt: skip
    run = fedlens.run(experiment, tmp_path / "run", engine="serial")
    last = fedlens.load_run(tmp_path / "run").records[-1]
    assert run is not None
    assert last.backdoor is not None
    assert last.backdoor.rate > 0.9
    code, _, err = called(capsys, "explain", tmp_path / "run", "--trust")
    assert (code, "tokens, whose numbers are names, cannot be explained" in err) == (2, True), err
    for command in ("show", "plot", "report"):
        code, _, err = called(capsys, command, tmp_path / "run")
        assert code == 0, err
