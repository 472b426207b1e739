"""One round of federated learning: cohort, local training, aggregation, evaluation."""
