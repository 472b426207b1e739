"""The simulator: rounds of federated learning, from the choice of a cohort to evaluation."""
