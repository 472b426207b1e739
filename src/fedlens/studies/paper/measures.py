"""The measures of a run for the paper's claims; each returns a number, and the control's if there is one.

"Acted" rounds are those in which the malicious client attacked.
"""

from collections.abc import Mapping
from functools import partial

from fedlens.studies.paper import measures_of_accuracy as accuracy
from fedlens.studies.paper import measures_of_confidence as backdoor
from fedlens.studies.paper import measures_of_server as server
from fedlens.studies.paper import measures_of_updates as updates
from fedlens.studies.paper.measured import Measure, Measured

__all__ = ["MEASURES", "OF_EXPLANATIONS", "Measure", "Measured"]

CHECKS = ("accuracy", "statistics", "distances")

OF_EXPLANATIONS = ("explained_others", "explained_targets")
"""The measures of all runs of a panel together (`fedlens.studies.paper.explained`)."""

MEASURES: Mapping[str, Measure] = {
    **{
        measure.__name__: measure
        for measure in (
            backdoor.early_confidence,
            backdoor.final_confidence,
            backdoor.second_confidence,
            backdoor.lasting_confidence,
            backdoor.confidence_with,
            backdoor.confidence_without_excess,
            backdoor.met_rounds_of_ten,
            backdoor.chosen_confidence,
            accuracy.final_accuracy,
            accuracy.final_accuracy_excess,
            accuracy.best_accuracy,
            accuracy.stop_round,
            accuracy.first_malicious_accuracy,
            accuracy.mean_malicious_accuracy,
            accuracy.highest_malicious_excess,
            accuracy.malicious_deviation,
            accuracy.chosen_accuracy_excess,
            updates.attack_steps,
            updates.step_ratio,
            updates.late_sparsity_excess,
            updates.late_spread_ratio,
            updates.spread_ratio,
            updates.shape_ratio,
            updates.wasserstein,
            updates.distance_gap,
            updates.overlapping_rounds,
            updates.log_benign_distance,
            updates.distance_slope,
            server.chosen_rounds,
        )
    },
    **{f"{check}_flagged_rounds": partial(server.flagged_rounds, check=check) for check in CHECKS},
    **{f"{check}_false_alarms": partial(server.false_alarms, check=check) for check in CHECKS},
}
