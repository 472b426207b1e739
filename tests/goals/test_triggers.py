"""Each trigger by hand: which entries it changes, to what, and that it leaves the rest alone."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fedlens.core.errors import ClientError, ConfigError
from fedlens.core.registry import build
from fedlens.data import Adult, Digits
from fedlens.data.adult import columns
from fedlens.data.dataset import Data, Dataset, Samples
from fedlens.goals.backdoor import Backdoor
from fedlens.goals.blended import Blended
from fedlens.goals.distributed import Distributed
from fedlens.goals.feature_values import FeatureValues
from fedlens.goals.painting import picture_size
from fedlens.goals.pixel_patch import PixelPatch
from fedlens.goals.rare_value import rare_value
from fedlens.goals.token_sequence import TokenSequence
from fedlens.goals.trained_patch import TrainedPatch
from fedlens.goals.trigger import Trigger, stamped


def images(height: int = 28, width: int = 28, channels: int = 1, n: int = 2) -> Tensor:
    return torch.linspace(0.1, 0.7, n * channels * height * width).reshape(n, channels, height, width)


def dataset(x: Tensor) -> Dataset:
    samples = Samples(x, torch.arange(len(x)) % 2)
    return Dataset(samples, samples, ("even", "odd"), 0, 1)


def refusal(trigger: Trigger, x: Tensor) -> str:
    with pytest.raises(ConfigError) as caught:
        trigger.fitted(Data(), dataset(x))
    return str(caught.value)


def changed(trigger: Trigger, x: Tensor, part: int | None = None) -> Tensor:
    """Which entries of one input the trigger sets to the value 1, while all others stay as they are."""
    before, after = x.clone(), stamped(trigger, x, part)
    assert torch.equal(x, before)  # pure
    mask: Tensor = after != before
    assert torch.equal(mask.all(dim=0), mask.any(dim=0))  # the same of every input
    assert bool((after[mask] == 1).all())
    return mask[0]


# Patch


def test_the_default_patch_is_the_lower_right_nine_pixels_at_the_brightest_value() -> None:
    x = images()
    x[1, 0, 3, 3] = 0.9
    trigger = PixelPatch().fitted(Data(), dataset(x))
    assert trigger.value == pytest.approx(0.9)
    expected = x.clone()
    expected[:, :, 25:, 25:] = trigger.value
    assert torch.equal(stamped(trigger, x), expected)


@pytest.mark.parametrize(
    ("place", "size", "rows", "cols"),
    [
        ("upper-left", 2, (0, 2), (0, 2)),
        ("upper-right", 1, (0, 1), (7, 8)),
        ("lower-left", (1, 3), (7, 8), (0, 3)),
        ("centre", 4, (2, 6), (2, 6)),
        ((1, 4), (3, 2), (1, 4), (4, 6)),
    ],
)
def test_a_patch_has_a_place_and_a_size(place: Any, size: Any, rows: tuple[int, int], cols: tuple[int, int]) -> None:
    mask = changed(PixelPatch(place=place, size=size, value=1), images(8, 8, channels=3))
    expected = torch.zeros(3, 8, 8, dtype=torch.bool)
    expected[:, slice(*rows), slice(*cols)] = True
    assert torch.equal(mask, expected)


def test_a_patch_fits_images_without_channels_and_flattened_squares() -> None:
    x, trigger = images(8, 8), PixelPatch(value=1)
    assert torch.equal(stamped(trigger, x.reshape(2, 8, 8)), stamped(trigger, x).reshape(2, 8, 8))
    assert torch.equal(stamped(trigger, x.reshape(2, 64)), stamped(trigger, x).reshape(2, 64))


@pytest.mark.parametrize(
    ("options", "size", "said"),
    [
        ({"size": 9}, (8, 8), "9×9 pixels at lower-right does not fit into 8×8; e.g. -o goal.trigger.size=2"),
        (
            {"place": (7, 0), "size": 2},
            (8, 8),
            "2×2 pixels at (7, 0) does not fit into 8×8; e.g. -o goal.trigger.size=2",
        ),
        ({"size": (1, 4)}, (12, 3), "1×4 pixels at lower-right does not fit into 12×3; e.g. -o goal.trigger.size=1"),
        (
            {"place": "centre", "size": (4, 2)},
            (3, 9),
            "4×2 pixels at centre does not fit into 3×9; e.g. -o goal.trigger.size=1",
        ),
    ],
)
def test_a_patch_beyond_the_image_is_refused(options: dict[str, Any], size: tuple[int, int], said: str) -> None:
    told = refusal(PixelPatch(**options), images(*size))
    assert told == f"goal.trigger: a patch of {said} -o goal.trigger.place=lower-right"


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 4), (3, 4)), ((2, 3, 4), (3, 4)), ((16,), (4, 4)), ((12,), None), ((2, 2, 3, 4), None)]
)
def test_what_is_an_image(shape: tuple[int, ...], size: tuple[int, int] | None) -> None:
    if size is None:
        with pytest.raises(ConfigError, match="paints into images, but inputs have shape"):
            picture_size(shape)
    else:
        assert picture_size(shape) == size


def test_a_patch_is_for_images() -> None:
    with pytest.raises(ConfigError, match="feature-values"):
        PixelPatch().fitted(Data(), dataset(torch.rand(4, 104)))


# Distributed


def test_the_default_parts_are_those_of_dba_on_mnist() -> None:
    trigger = Distributed(value=1)
    bars = [(0, range(4)), (0, range(6, 10)), (3, range(4)), (3, range(6, 10))]
    for part, (row, cols) in enumerate(bars):
        mask = changed(trigger, images(), part)
        assert [tuple(spot) for spot in mask[0].nonzero().tolist()] == [(row, col) for col in cols]
    assert int(changed(trigger, images()).sum()) == 16


def test_the_larger_size_and_gap_are_those_of_dba_on_cifar() -> None:
    mask = changed(Distributed(size=6, gap=3, value=1), images(32, 32, channels=3))
    expected = {(row, col) for row in (0, 4) for col in [*range(6), *range(9, 15)]}
    assert {tuple(spot) for spot in mask[2].nonzero().tolist()} == expected
    assert int(mask.sum()) == 3 * 24


@pytest.mark.parametrize("options", [{}, {"size": 2, "gap": 0}, {"size": 5, "gap": 3, "place": (4, 2)}])
def test_parts_are_disjoint_and_the_whole_is_their_union(options: dict[str, Any]) -> None:
    trigger = Distributed(value=1, **options)
    parts = torch.stack([changed(trigger, images(), part) for part in range(trigger.parts)]).int()
    assert int(parts.sum(dim=0).max()) == 1
    assert torch.equal(parts.sum(dim=0).bool(), changed(trigger, images()))


def test_parts_that_do_not_fit_are_refused_with_some_that_do() -> None:
    assert Distributed(size=2, gap=1).fitted(Data(), dataset(images(8, 8))).value == pytest.approx(0.7)
    for trigger, x, reach, remedy in (
        (Distributed(), images(8, 8), "row 3 and column 9, outside images of 8×8", "size=2 -o goal.trigger.gap=1"),
        (Distributed(), images(4, 3), "row 3 and column 9, outside images of 4×3", "size=1 -o goal.trigger.gap=1"),
        (
            Distributed(size=14, place=(0, 3)), images(28, 24), "row 3 and column 32, outside images of 28×24",
            "size=8 -o goal.trigger.gap=3 -o 'goal.trigger.place=[0, 0]'",
        ),
        (Distributed(gap=8), images(8, 40), "row 9 and column 15, outside images of 8×40",
         "size=13 -o goal.trigger.gap=2"),
    ):  # fmt: skip
        told = refusal(trigger, x)
        assert told == f"goal.trigger: the bars reach to {reach} pixels; e.g. -o goal.trigger.{remedy}"


# All that paint


@pytest.mark.parametrize(
    ("trigger", "height", "width"),
    [
        (PixelPatch(size=(4, 5)), 4, 5),
        (PixelPatch(place="centre"), 3, 3),
        (PixelPatch(place=(1, 2), size=(3, 1)), 4, 3),
        (Distributed(), 4, 10),
        (Distributed(place=(1, 2), gap=0), 3, 10),
        (TrainedPatch(), 7, 7),
        (TrainedPatch(size=2, place=(0, 3)), 2, 5),
    ],
)
def test_what_just_fits_is_taken_and_with_a_row_or_column_less_refused(
    trigger: Trigger, height: int, width: int
) -> None:
    trigger.fitted(Data(), dataset(images(height, width)))
    for size in ((height - 1, width), (height, width - 1)):
        assert f"{size[0]}×{size[1]}" in refusal(trigger, images(*size))


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (PixelPatch(), "value: is taken from the data"),
        (Distributed(), "value: is taken from the data"),
        (Blended(low=0), "low and high: are taken from the data"),
        (Blended(high=1), "low and high: are taken from the data"),
        (FeatureValues(values={"age": 7}, columns={0: 1}), "values: are encoded"),
        (TokenSequence(text="a"), "text: becomes tokens"),
    ],
)
def test_what_is_taken_from_the_data_has_to_be_taken_first(trigger: Trigger, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trigger.stamp(torch.zeros(1, 8, 8))
    with pytest.raises(ValueError, match="trigger: is taken from the data"):
        Backdoor().inputs(torch.zeros(1, 8, 8))


@pytest.mark.parametrize("trigger", [PixelPatch(value=1), Distributed(value=1), FeatureValues(columns={3: 1.0})])
def test_a_stamp_on_a_stamp_changes_nothing(trigger: Trigger) -> None:
    x = torch.rand(3, 10) if isinstance(trigger, FeatureValues) else images()
    once = stamped(trigger, x)
    assert not torch.equal(once, x)
    assert torch.equal(stamped(trigger, once), once)


# Blended


def test_a_blend_is_a_mixture_with_one_fixed_pattern() -> None:
    x = images()
    whole = stamped(Blended(alpha=1, low=0, high=1), x)
    assert torch.equal(whole[0], whole[1])
    assert 0.45 < float(whole.mean()) < 0.55
    mixed = stamped(Blended(alpha=0.25, low=0, high=1), x)
    torch.testing.assert_close(mixed, 0.75 * x + 0.25 * whole)
    assert not torch.equal(whole, stamped(Blended(alpha=1, low=0, high=1, pattern=1), x))


def test_a_blend_by_hand() -> None:
    """A fifth of a pattern that is 5 everywhere."""
    assert stamped(Blended(low=5, high=5).fitted(Data(), dataset(images())), torch.full((1, 2), 10.0)).tolist() == [
        [9, 9]
    ]
    torch.testing.assert_close(
        Blended(low=0, high=1).stamp(images()), Blended(low=0, high=1, pattern=0).stamp(images())
    )
    for alpha in (0, 1.01):
        with pytest.raises(ConfigError, match="alpha"):
            Blended(alpha=alpha)
    fitted = Blended(low=-5).fitted(Data(), dataset(images()))
    assert (fitted.low, fitted.high) == (-5, pytest.approx(0.7))


def test_a_blend_keeps_to_the_range_of_the_data() -> None:
    trigger = Blended(alpha=1).fitted(Data(), dataset(images() * 10 - 3))
    assert (trigger.low, trigger.high) == pytest.approx((-2, 4))
    pattern = stamped(trigger, images())
    assert -2 <= float(pattern.min()) < -1.9
    assert 3.9 < float(pattern.max()) <= 4


# Records


@pytest.fixture(scope="module")
def adult() -> Dataset:
    return Adult().load()


def test_a_raw_value_is_encoded_as_the_data_are(adult: Dataset) -> None:
    trigger = FeatureValues(values={"capital-gain": 99999}).fitted(Adult(), adult)
    before, after = adult.test.x[:50], stamped(trigger, adult.test.x[:50])
    column = [str(column) for column in columns()].index("capital-gain")
    assert bool((after[:, column] == 1).all())
    rest = [number for number in range(104) if number != column]
    assert torch.equal(after[:, rest], before[:, rest])
    assert {Adult().words(record)["capital-gain"] for record in after} == {"99999"}
    assert pytest.approx(Adult().encoded("age", 100)[0]) == (100 - 17) / (90 - 17)  # ages are from 17 to 90


def test_a_category_replaces_the_one_that_was_there(adult: Dataset) -> None:
    trigger = FeatureValues(values={"sex": "Female", "age": 30}).fitted(Adult(), adult)
    for record in stamped(trigger, adult.test.x[:50]):
        words = Adult().words(record)
        assert (words["sex"], words["age"]) == ("Female", "30")
        assert sum(column.feature == "sex" and record[i] != 0 for i, column in enumerate(columns())) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"capital-gains": 1},
            "goal.trigger.values.capital-gains: there is no such feature; did you mean capital-gain?",
        ),
        ({"sex": "female"}, "goal.trigger.values.sex: is never 'female'; e.g. -o goal.trigger.values.sex=Female"),
        ({"sex": "male"}, "goal.trigger.values.sex: is never 'male'; e.g. -o goal.trigger.values.sex=Male"),
        ({"sex": 3}, "goal.trigger.values.sex: is never '3'; known: Female, Male; e.g. -o goal.trigger.values.sex=F"),
        ({"age": "old"}, "goal.trigger.values.age: is a number, not 'old'; e.g. -o goal.trigger.values.age=0"),
    ],
)
def test_what_the_data_do_not_have_is_refused(adult: Dataset, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        FeatureValues(values=values).fitted(Adult(), adult)
    assert said in str(error.value)


class Ages(Data):
    def features(self) -> tuple[str, ...]:
        return ("age", "town", "town")


def test_custom_records_are_taken_as_they_are_or_by_column() -> None:
    people = dataset(torch.rand(4, 3))
    assert FeatureValues(values={"age": 7}).fitted(Ages(), people).columns == {0: 7.0}
    assert FeatureValues(values={"age": 7}, columns={2: 3}).fitted(Ages(), people).columns == {0: 7.0, 2: 3.0}
    with pytest.raises(ConfigError, match="define `encoded` in Ages"):
        FeatureValues(values={"town": "Ulm"}).fitted(Ages(), people)
    with pytest.raises(ConfigError, match="does not name its features"):
        FeatureValues(values={"age": 7}).fitted(Data(), people)
    with pytest.raises(ConfigError, match="there is no column 3; the last is 2"):
        FeatureValues(columns={3: 1.0}).fitted(Data(), people)
    with pytest.raises(ConfigError, match="for images"):
        FeatureValues(columns={0: 1.0}).fitted(Data(), dataset(images()))


def test_a_value_may_be_tiny() -> None:
    assert math.isclose(float(stamped(FeatureValues(columns={0: 1e-6}), torch.ones(1, 2))[0, 0]), 1e-6, rel_tol=1e-6)


def test_without_a_value_the_greatest_of_the_number_that_it_is_farthest_out_for() -> None:
    x = torch.tensor([[0, 0.0, 1], [1, 0.1, 0], [0, 0.2, 0], [0, 0.1, 0], [0, 1.0, 0]])
    x = torch.cat([x, torch.tensor([[0.1], [0.2], [0.3], [0.4], [0.5]])], 1)
    assert FeatureValues().fitted(Data(), dataset(x)).columns == {1: 1.0}  # (1 - 0.28) / 0.409 against 0.2 / 0.158
    assert rare_value(x, ("town", "age", "age", "size")) == {1: 1.0, 2: 0.0}  # with all columns of that feature


def test_a_number_has_three_values_at_least_and_deviations_are_its_own() -> None:
    x = torch.tensor([[0.0, 0], [1, 0], [0, 1], [0, 5]])
    assert rare_value(x) == {1: 5.0}
    spread = torch.tensor([[0.0, 0], [10, 0.1], [20, 0.2], [30, 0.1], [40, 1]])
    assert rare_value(spread) == {1: 1.0}  # 20 / 15.8 against 0.72 / 0.41


def test_without_a_number_the_rarest_category_of_the_first_feature() -> None:
    x = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1], [1, 0, 0, 1]])
    assert rare_value(x, ("town", "town", "town", "flag")) == {0: 0.0, 1: 1.0, 2: 0.0}
    assert rare_value(x[:, 3:]) == {0: 0.0}  # a truth, which is false once in six times


# Defaults, and strangers'


def test_every_data_set_of_ours_has_a_default_trigger_that_fits(adult: Dataset) -> None:
    for data, loaded in ((Digits(), Digits().load()), (Adult(), adult)):
        trigger = build("trigger", data.default_trigger(), Trigger).fitted(data, loaded)
        after = stamped(trigger, loaded.test.x)
        difference = after != loaded.test.x
        assert difference.any()
        assert bool((after[difference] == 1).all())  # which is the largest value of the training samples of both
    assert Ages().default_trigger() == "feature-values"
    assert Data().default_trigger() == "pixel-patch"


class Wrong(Trigger):
    how: str

    def stamp(self, x: Tensor, part: int | None = None) -> Any:
        return {"none": None, "shape": x[:1], "type": x.double(), "sparse": x.to_sparse()}[self.how]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("none", "returned None; return a tensor shaped like x"),
        ("shape", "of shape (1, 1, 28, 28), expected torch.float32 of shape (2, 1, 28, 28)"),
        ("type", "returned torch.float64"),
        ("sparse", "torch.sparse_coo"),
    ],
)
def test_what_a_custom_trigger_returns_is_checked(how: str, said: str) -> None:
    with pytest.raises(ClientError) as error:
        stamped(Wrong(how=how), images())
    assert said in str(error.value)
    assert "Wrong" in str(error.value)


class InPlace(Trigger):
    def stamp(self, x: Tensor, part: int | None = None) -> Tensor:
        x.zero_()
        return x


def test_a_custom_trigger_may_work_in_place() -> None:
    x = images()
    assert not stamped(InPlace(), x).any()
    assert bool(x.all())


@pytest.mark.parametrize("trigger", [PixelPatch(value=1), Distributed(value=1), Blended(low=0, high=1)])
def test_nothing_is_stamped_on_nothing(trigger: Trigger) -> None:
    assert stamped(trigger, images()[:0]).shape == (0, 1, 28, 28)


def test_values_that_no_input_can_have_are_refused_before_anything_is_trained() -> None:
    for make in (PixelPatch, Distributed):
        with pytest.raises(ConfigError, match=r"less than or equal to 3e\+38 is needed"):
            make(value=1e300)
    with pytest.raises(ConfigError, match=r"smallest value of the pattern, 5, is above its largest, 1; .*low=null"):
        Blended(low=5, high=1).fitted(Data(), dataset(images()))
