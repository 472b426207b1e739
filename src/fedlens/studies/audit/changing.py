"""An experiment with another attack: validated anew, so that what does not agree is refused."""

from fedlens.attacks.attack import Attack
from fedlens.experiment.attackers import Attackers
from fedlens.experiment.experiment import Experiment


def with_attack(experiment: Experiment, attack: Attack) -> Experiment:
    """Return the experiment with this attack by the same clients.

    Raises:
        ConfigError: the attack does not suit the goal, the server or the number of attackers.
    """
    values = {name: getattr(experiment, name) for name in experiment.model_fields_set} | {"attack": attack}
    if experiment.attack is not None and experiment.attack.client is not None:
        values["attackers"] = Attackers(clients=experiment.team)
    return Experiment(**values)
