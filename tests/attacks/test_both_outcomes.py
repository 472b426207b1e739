"""Every attack where it should succeed, and where it should fail: the tests that show it, and those of the plainest."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from teams import clean_accuracy, final_accuracy

from fedlens.core.registry import BUILT_IN

TESTS = Path(__file__).parent
HERE = Path(__file__).name
TRAINED = "test_success.py"
PLANTED = "test_after_the_attack_triggered_inputs_are_taken_for_the_target_class"

SHOWN: Mapping[str, tuple[str, str]] = {
    "explicit-boosting": (TRAINED, "test_explicit_boosting"),
    "implicit-boosting": (TRAINED, "test_implicit_boosting"),
    "simultaneous-training": (TRAINED, "test_simultaneous_training"),
    "alternating-minimisation": (TRAINED, "test_alternating_minimisation_in_the_order_of_the_algorithm"),
    "data-poisoning": (TRAINED, "test_data_poisoning_fails_where_boosted_training_succeeds"),
    "honest": ("test_honest.py", "test_its_run_is_the_benign_twin_bit_for_bit_and_is_recorded_like_an_attack"),
    "inner-product-manipulation": (HERE, "test_a_mean_turned_round_damages_the_mean_and_not_the_median"),
    "adaptive-ipm": (HERE, "test_a_mean_turned_round_damages_the_mean_and_not_the_median"),
    "sign-flipping": ("test_sign_flipping.py", "test_of_one_in_six_too_little_is_lost_to_matter"),
    "a-little-is-enough": (
        "test_a_little_is_enough.py",
        "test_it_damages_the_mean_if_z_is_given_and_not_where_z_is_zero",
    ),
    "min-max": (
        "test_min_max_min_sum.py",
        "test_it_damages_the_mean_where_clients_differ_and_hardly_where_they_agree",
    ),
    "min-sum": (
        "test_min_max_min_sum.py",
        "test_it_damages_the_mean_where_clients_differ_and_hardly_where_they_agree",
    ),
    "fang-trimmed-mean": (
        "test_fang_trimmed_mean.py",
        "test_it_damages_the_median_and_fails_if_it_knows_nothing_of_a_spread",
    ),
    "fang-krum": ("test_fang_krum.py", "test_it_hardly_moves_the_mean"),
    "gaussian": ("test_gaussian.py", "test_the_mean_falls_to_it_and_the_median_does_not"),
    "free-rider": ("test_free_rider.py", "test_it_slows_training_down_and_does_not_destroy_it"),
    "mimic": ("test_mimic.py", "test_it_does_harm_where_clients_differ_alone"),
    "agr-tailored": ("test_agr_tailored.py", "test_it_damages_the_mean_and_is_no_match_for_a_wrong_guess"),
    "badnets": ("test_badnets.py", "test_the_average_takes_it_from_one_alone_but_not_once_it_is_boosted"),
    "dba": ("test_dba.py", "test_one_shot_without_boosting_is_averaged_away"),
    "model-replacement": (
        "test_model_replacement.py",
        "test_one_of_five_plants_the_trigger_under_the_mean_but_not_where_norms_are_limited",
    ),
    "train-and-scale": (
        "test_train_and_scale.py",
        "test_a_wide_bound_plants_the_trigger_under_the_mean_and_a_narrow_one_does_not",
    ),
    "constrain-and-scale": (
        "test_constrain_and_scale.py",
        "test_one_of_five_plants_the_trigger_under_the_mean_unless_the_constraint_is_all",
    ),
    "pgd": ("test_pgd.py", "test_boosted_in_a_wide_ball_it_plants_the_trigger_and_in_a_narrow_one_not"),
    "neurotoxin": (
        "test_neurotoxin.py",
        "test_boosted_it_plants_the_trigger_and_where_nearly_all_is_masked_it_does_not",
    ),
    "label-flipping": (
        "test_label_flipping.py",
        "test_static_flippers_damage_the_mean_if_they_are_many_and_not_if_one",
    ),
    "dynamic-label-flipping": (
        "test_label_flipping.py",
        "test_dynamic_flippers_damage_the_mean_if_they_are_many_and_not_if_one",
    ),
    "a3fl": ("test_a3fl.py", "test_boosted_it_plants_its_trigger_and_a_server_that_limits_norms_stops_it"),
    "chameleon": ("test_chameleon.py", "test_boosted_it_plants_the_trigger_and_a_server_that_limits_norms_stops_it"),
    "anticipate": ("test_anticipate.py", "test_under_a_median_one_of_eight_gets_nowhere"),
}
"""Of each attack, the test in which it fails; where it succeeds in another, that is in `SUCCEEDS`."""

SUCCEEDS: Mapping[str, tuple[str, str]] = {
    "data-poisoning": ("test_backdoor_attacks.py", PLANTED),
    "sign-flipping": ("test_sign_flipping.py", "test_it_damages_the_mean"),
    "fang-krum": ("test_fang_krum.py", "test_it_destroys_krum_where_clients_differ"),
    "anticipate": ("test_anticipate.py", "test_it_finds_a_leak_of_any_size_where_boosting_fails"),
    "badnets": ("test_badnets.py", "test_three_of_five_plant_the_trigger_under_the_mean"),
    "dba": ("test_dba.py", "test_four_of_eight_plant_the_whole_trigger_of_which_each_has_a_part"),
}


@pytest.mark.parametrize("attack", [{"name": "inner-product-manipulation", "eps": 8}, "adaptive-ipm"])
def test_a_mean_turned_round_damages_the_mean_and_not_the_median(attack: object) -> None:
    """Two of six turn the mean round where ε is above 4 / 2; the median of six stays between two honest updates."""
    assert final_accuracy(attack) < clean_accuracy() - 0.3
    assert final_accuracy(attack, aggregation="median") > clean_accuracy() - 0.1


def test_a_mean_that_is_not_turned_round_does_little() -> None:
    attack = {"name": "inner-product-manipulation", "eps": 0.1}
    assert final_accuracy(attack) > clean_accuracy() - 0.1


def test_every_attack_has_both() -> None:
    assert set(SHOWN) == set(BUILT_IN["attack"])
    for file, test in (*SHOWN.values(), *SUCCEEDS.values()):
        assert f"def {test}(" in (TESTS / file).read_text("utf-8"), test
