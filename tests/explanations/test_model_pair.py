import pytest
import torch
from linear import ignore, linear
from torch import nn

from fedlens.data.dataset import Samples
from fedlens.explanations.maps import parse_methods
from fedlens.explanations.model_pair import ModelPair, compare_pair
from fedlens.explanations.similarity import MEASURES, measures_for

BENIGN = linear([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
ATTACKED = linear([[1, 0, 0], [0, 1, 2], [0, 0, 1]])
SAMPLES = Samples(torch.tensor([[3.0, 1, 0], [0, 1, 2], [0, 3, 2]]), torch.tensor([0, 2, 1]))


@pytest.fixture
def pair() -> ModelPair:
    methods = parse_methods("gradient,input-times-gradient")
    return compare_pair(
        (BENIGN, ATTACKED), SAMPLES, [7, 2, 5], target_classes=[1, 1, 0], methods=methods, progress=ignore
    )


def test_rows_of_equal_classes_are_one(pair: ModelPair) -> None:
    said = [[(row.model, row.predicted, row.explained) for row in pair.rows(place)] for place in range(3)]
    assert said == [
        [("benign", 0, 0), ("benign", 0, 1), ("attacked", 0, 0), ("attacked", 0, 1)],
        [("benign", 2, 2), ("benign", 2, 1), ("attacked", 1, 1)],
        [("benign", 1, 1), ("benign", 1, 0), ("attacked", 1, 1), ("attacked", 1, 0)],
    ]


def test_a_row_has_the_models_probabilities_and_maps(pair: ModelPair) -> None:
    probabilities = torch.tensor([0.0, 1, 2]).softmax(0)
    wanted = pair.rows(1)[1]
    assert wanted.probability == pytest.approx(probabilities[1].item())
    assert wanted.confidence == pytest.approx(probabilities[2].item())
    assert wanted.maps["gradient"].tolist() == [0, 1, 0]
    attacked = pair.rows(1)[2]
    assert attacked.probability == attacked.confidence == pytest.approx(torch.tensor([0.0, 5, 2]).softmax(0)[1].item())
    assert attacked.maps["gradient"].tolist() == [0, 1, 2]
    assert attacked.maps["input-times-gradient"].tolist() == [0, 1, 4]


def test_likeness_is_that_of_the_measures(pair: ModelPair) -> None:
    table = pair.likeness()
    assert len(table) == 3 * 2 * 2 * 3
    assert table["measure"].unique().tolist() == ["spearman", "cosine", "top"]
    for (explained, method, measure), rows in table.groupby(["explained", "method", "measure"]):
        first, second = (pair.maps[model, str(explained)].maps[str(method)] for model in ("benign", "attacked"))
        assert rows["sample"].tolist() == [7, 2, 5]
        assert rows["value"].tolist() == MEASURES[str(measure)](first, second).tolist()


def test_likeness_by_hand(pair: ModelPair) -> None:
    table = pair.likeness()
    cosines = table[(table["method"] == "gradient") & (table["measure"] == "cosine")]
    values = {explained: rows["value"].tolist() for explained, rows in cosines.groupby("explained")}
    assert values["predicted"] == pytest.approx([1, 2 / 5**0.5, 1 / 5**0.5])
    assert values["target"] == pytest.approx([1 / 5**0.5, 1 / 5**0.5, 1])


def test_images_have_their_structural_similarity_too() -> None:
    samples = Samples(torch.rand(2, 1, 8, 8), torch.tensor([0, 1]))
    models = tuple(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)) for _ in range(2))
    told: list[int] = []
    pair = compare_pair(
        (models[0], models[1]),
        samples,
        [0, 1],
        target_classes=[2, 2],
        methods=parse_methods("gradient"),
        progress=told.append,
    )
    assert pair.likeness()["measure"].unique().tolist() == list(measures_for((1, 8, 8))) == list(MEASURES)
    assert sum(told) == 4 * 2
