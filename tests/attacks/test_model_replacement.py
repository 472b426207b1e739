import torch
from attacker import after_the_round, deep, poisoned
from planting import after, is_planted, rate

from fedlens.attacks.data_poisoning import DataPoisoning
from fedlens.attacks.model_replacement import ModelReplacement


def test_if_the_others_send_zeros_the_global_model_is_what_it_trained() -> None:
    """Ten clients of equal weight, so that γ = n = 10."""
    view, attack = deep(alpha=0.1), ModelReplacement()
    update = attack.craft(poisoned(attack, view))
    trained = view.network.vector.detach().clone()
    assert view.log["boost"] == 10
    assert (trained - view.received).norm() > 0.1
    torch.testing.assert_close(after_the_round(view, update), trained, rtol=0, atol=1e-12)


def test_several_that_train_the_same_replace_it_together() -> None:
    view, attack = deep(alpha=0.1, mates_alpha=0.3), ModelReplacement()
    update = attack.craft(poisoned(attack, view))
    trained = view.network.vector.detach()
    torch.testing.assert_close(view.received + 4 * 0.1 * update, trained, rtol=0, atol=1e-12)


def test_by_default_it_is_boosted_data_poisoning() -> None:
    attack, same = ModelReplacement(), DataPoisoning(boost="auto")
    assert torch.equal(attack.craft(poisoned(attack, deep())), same.craft(poisoned(same, deep())))


def test_one_of_five_plants_the_trigger_under_the_mean_but_not_where_norms_are_limited() -> None:
    assert is_planted(after(ModelReplacement()))
    clipped = after(ModelReplacement(), aggregation=[{"name": "clip", "max_norm": 1}, "mean"])
    assert rate(clipped) < 0.2
