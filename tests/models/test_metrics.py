import pytest
import torch
from sklearn import metrics as sklearn

from fedlens.models.evaluation import quality
from fedlens.models.metrics import column, measure

EVERY = ("balanced-accuracy", "f1", "auc")


def answers(*classes: int, count: int) -> torch.Tensor:
    """Log-probabilities of models that are sure of these classes."""
    return torch.nn.functional.one_hot(torch.tensor(classes), count).double().mul(4).log_softmax(dim=1)


def test_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    found = measure(EVERY, answers(0, 0, 1, 1, count=2), labels)
    # precision and recall are 1 and 2/3 of class 0, 1/2 and 1 of class 1
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["auc"] == pytest.approx((1 + 1 + 0.5) / 3)  # of pairs of a sample of class 1 and one of class 0


@pytest.mark.parametrize("classes", [2, 4])
def test_they_are_scikit_learns_on_the_predictions(classes: int) -> None:
    torch.manual_seed(1)
    log_probabilities, labels = torch.randn(200, classes).log_softmax(dim=1), torch.randint(classes, (200,))
    found = measure(EVERY, log_probabilities, labels)
    predicted, probabilities = log_probabilities.argmax(dim=1), log_probabilities.double().exp()
    assert found["balanced_accuracy"] == pytest.approx(sklearn.balanced_accuracy_score(labels, predicted))
    assert found["f1"] == pytest.approx(sklearn.f1_score(labels, predicted, average="macro"))
    areas = [sklearn.roc_auc_score(labels == number, probabilities[:, number]) for number in range(classes)]
    assert found["auc"] == pytest.approx(sum(areas) / classes)
    per_class = [accuracy for accuracy in quality(log_probabilities, labels).per_class if accuracy is not None]
    assert found["balanced_accuracy"] == pytest.approx(sum(per_class) / classes)


def test_where_they_are_not_defined() -> None:
    labels = torch.tensor([0, 1, 1])
    silent = answers(0, 1, 1, count=3)
    assert measure(EVERY, silent, labels) == {"balanced_accuracy": 1.0, "f1": 1.0, "auc": None}
    silent[0, 0] = torch.nan
    assert measure(EVERY, silent, labels) == dict.fromkeys(map(column, EVERY))  # type: ignore[arg-type]
    assert measure([], silent, labels) == {}
