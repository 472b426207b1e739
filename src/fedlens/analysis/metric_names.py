"""What can be compared of runs: the columns of their tables that hold numbers, and what each means."""

METRICS = {
    "confidence": "confidence in the target class, mean over the target's samples",
    "counts": "rate of success of the attack's own: target or goal is met, and is not without the malicious update",
    "success": "rate at which the target or goal is met, by the attack or not: every sample of the target is taken for "
    "the class wanted, or a backdoor's success rate, or the accuracy lost to damage, is as high as the goal asks",
    "asr": "attack success rate: the share of triggered inputs taken for the class wanted",
    "asr_twin": "the same of the benign twin, on the same inputs",
    "accuracy_drop": "test accuracy of the benign twin less that of the attacked global model",
    "mae_rise": "of a regression, the test MAE of the attacked global model less that of the benign twin",
    "met": "how many of the target's samples are classified as wanted",
    "true_confidence": "confidence in the true class, mean over the target's samples",
    "accuracy": "test accuracy of the global model",
    "accuracy.CLASS": "its accuracy in one class, as in accuracy.sneaker",
    "balanced_accuracy": "the mean of its accuracies in each class, if -o metrics=balanced-accuracy asks for it",
    "f1": "its F1 score, mean over classes, if -o metrics=f1 asks for it",
    "auc": "its area under the ROC curve, mean over classes, if -o metrics=auc asks for it",
    "mae": "of a regression, its mean absolute error on the test samples, in the labels' unit",
    "rmse": "its root mean square error, in the same unit",
    "nmae": "its mean absolute error in standard deviations of the training samples' labels",
    "loss": "its mean cross-entropy on the test samples, in nats; of a regression the mean squared error, in variances",
    "malicious_accuracy": "test accuracy of the malicious clients' own model",
    "malicious_mae": "of a regression, the mean absolute error of that model",
    "malicious_loss": "its mean cross-entropy, in nats; of a regression the mean squared error, in variances",
    "malicious_share": "the weight that the rule gave the malicious updates together",
    "rejected_precision": "share of the rejected updates that were sent in attack",
    "rejected_recall": "share of the updates sent in attack that were rejected",
    "malicious_deviation": "how far the malicious model's accuracy is from the others', as the accuracy check sees it",
    "distance_gap": "how far the malicious update's distances lie outside the others'",
    "wasserstein": "distance of the malicious update's histogram from the others' mean",
    "benign_wasserstein": "the same of a benign update",
    "lifespan": "rounds after the attack until the confidence is below 0.5",
    "lifespan_area": "area under the confidence after the attack, in rounds",
    "attacker": "rate at which a malicious client is chosen for the round",
    "malicious_clients": "how many malicious clients are chosen for the round",
    "acted": "rate at which one attacks",
}
BESIDE = {
    "control_METRIC": "the same of the benign twin; shown beside the metric, and subtracted by --against control",
    "placebo_METRIC": "the same with the malicious clients absent",
    "attack_NAME": "a number that the attack notes of a round, as attack_boost",
}
"""Columns that are called after others."""
