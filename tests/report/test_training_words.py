from fedlens.experiment.experiment import Experiment
from fedlens.report.words import headline


def test_a_headline_says_what_is_unusual_about_training() -> None:
    assert "B=100, adam 0.001, rule mean" in headline(Experiment())
    local = {
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "schedule": {"name": "cosine", "rounds": 5},
        "augmentation": ["flip", {"name": "crop", "padding": 2}],
        "client_momentum": 0.5,
    }
    said = headline(Experiment.model_validate({"local": local, "failures": {"dropout": 0.2}}))
    assert "sgd(momentum=0.9) 0.001, schedule cosine(rounds=5), augmentation flip+crop(padding=2), " in said
    assert "client momentum 0.5, failures (dropout=0.2), rule mean" in said
