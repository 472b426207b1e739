"""Red flags: why the result of an attack may mean less than it seems."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fedlens.analysis.counted import counted, share_of
from fedlens.analysis.flower_strategies import flower_flags
from fedlens.analysis.goal_flags import (
    ALIKE,
    CONTROL,
    NEARLY_ALIKE,
    UNSEEN,
    UNTRIGGERED,
    alike,
    goal_control,
    unseen,
    untriggered,
)
from fedlens.analysis.idle import UNCLIPPED, unclipped
from fedlens.analysis.ineffective import INEFFECTIVE, ineffective
from fedlens.analysis.no_strength import NO_STRENGTH, no_strength
from fedlens.analysis.percent import percent
from fedlens.analysis.useless import useless
from fedlens.analysis.window import attack_window, split
from fedlens.attacks.attack import Attack
from fedlens.experiment.experiment import Experiment
from fedlens.goals.target_samples import RESISTANT_CONFIDENCE
from fedlens.runs.record import ControlRecord, RoundRecord
from fedlens.runs.record_values import destroyed, met, met_rounds, taken, targeted

ALONE = "one seed"
ABSENCE, ABSENCES = "the client's absence does it, too", "the clients' absence does it, too"
UNTAKEN, NONE_TAKEN = "the malicious update was never taken", "no malicious update was ever taken"
USELESS = "the model is useless"
UNUSUAL = "the last round disagrees with most rounds"
REJECTED = "the malicious client sent updates that were rejected"
ALL_REJECTED = "malicious clients sent updates that were rejected"
MAJORITY = "half of the cohort or more is malicious"
BEYOND_TOLD = "more attackers than the rule is told"
NEGATIVE = "clients sent running variances below 0"
LOSSY = "the server loses accuracy without any attack"
NUMBERED = (
    ABSENCE, ABSENCES, UNTAKEN, NONE_TAKEN, USELESS, UNUSUAL, CONTROL, UNTRIGGERED, UNSEEN, REJECTED, ALL_REJECTED,
    MAJORITY, BEYOND_TOLD, ALIKE, NEARLY_ALIKE, INEFFECTIVE, NEGATIVE, UNCLIPPED, NO_STRENGTH,
    LOSSY,
)  # fmt: skip
"""What begins flags that go on with numbers, which each run has its own of."""
LOST = 0.03
"""Accuracy, a fraction, that a server may lose against a plain mean."""
LARGE_SHARE = 0.1
"""Above this share of malicious clients an attack is rarely realistic."""
GROUPS = 6
"""At most this many groups are named with how many of their runs have a flag."""


def flags(experiment: Experiment, records: Sequence[RoundRecord]) -> list[str]:
    """Return reasons to doubt the result of at least one round, the gravest first; few of them apply without attack."""
    if experiment.attack is None:
        every = (
            _answering(records),
            _lossy(records),
            _finite(experiment, records),
            _variances(records),
            _stand_in(experiment),
        )
        return [*(flag for flag in every if flag is not None), *flower_flags(experiment)]
    inside, _ = split(records, attack_window(experiment, records))
    reasons = (
        _answering(records),
        _control(inside[-1]) or _control(records[-1]) if experiment.goal is None else goal_control(inside[-1]),
        alike(inside[-1]),
        unseen(inside) or untriggered(inside[-1]),
        ineffective(inside),
        no_strength(experiment, inside),
        unclipped(experiment, inside),
        _use(experiment, inside[-1]),
        _steadiness(experiment, inside),
        _taking(experiment, inside),
        _placebo(experiment, inside[-1]),
        _finite(experiment, records),
        _variances(records),
        _stand_in(experiment),
        _shape(experiment, records),
        _acting(experiment, records),
        _share(experiment),
        _majority(experiment, records),
        _beyond_told(experiment, records),
        _sight(experiment.attack),
        _claim(experiment.attack),
        _knowledge(experiment),
        _knowledge_of_state(experiment),
        oracle_f(experiment),
        _repetition(experiment),
    )
    return [*(flag for flag in reasons if flag is not None), *flower_flags(experiment)]


def common(every: Iterable[Sequence[str]]) -> list[str]:
    """Return the flags of several runs, each with how many of them have it, but for that of a run by itself.

    What that one asks for, more seeds and targets, is what several runs are. Numbers that each run has its own of are
    left out. What most runs have comes first, whatever the order of the runs.
    """
    runs = list(every)
    shared = [[_without_numbers(flag) for flag in flags_] for flags_ in runs]
    runs_by_flag = Counter(flag for flags_ in shared for flag in flags_ if not flag.startswith(ALONE))
    return [
        f"{flag} ({share_of(count, len(runs), 'run')})"
        for flag, count in sorted(runs_by_flag.items(), key=lambda item: (-item[1], item[0]))
    ]


def common_by_group(groups: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Return the same, naming groups that have more than others: ``(3 of 4 runs; mean: 1 of 2, median: 2 of 2)``.

    Args:
        groups: of each group by its label, the flags of its runs by their names; groups may share runs.
    """
    of_each = {label: common(runs.values()) for label, runs in groups.items()}
    every = {name: flags_ for runs in groups.values() for name, flags_ in runs.items()}
    group_flags = []
    for flag in common(every.values()):
        words, _, count = flag.rpartition(" (")
        where = [
            f"{label}: {counted_flag.rpartition(' (')[2].partition(' run')[0]}"
            for label, flags_ in of_each.items()
            for counted_flag in flags_
            if counted_flag.rpartition(" (")[0] == words
        ]
        all_have_it = count == f"{share_of(len(every), len(every), 'run')})"
        several = len(groups) > 1 and not all_have_it and len(where) <= GROUPS
        group_flags.append(f"{words} ({count.removesuffix(')')}; {', '.join(where)})" if several else flag)
    return group_flags


def _without_numbers(flag: str) -> str:
    return next((words for words in NUMBERED if flag.startswith(words)), flag)


def _answering(records: Sequence[RoundRecord]) -> str | None:
    """Flag answers from which nothing can be read, other than those of a model that was destroyed."""
    silent = [record.round for record in records if not record.answers]
    if not silent or destroyed(records) is not None:
        return None
    rounds = f"round {silent[0]}" if len(silent) == 1 else f"{len(silent)} rounds, first in round {silent[0]}"
    return f"answers that are no numbers (NaN): the global model gives such to test samples in {rounds}"


def _control(last: RoundRecord) -> str | None:
    """Flag a missing control, or one that errs, where the attack is judged or at the end."""
    if last.twin is None:
        return "no control: nobody knows whether the clean model gets the target right"
    target = last.twin.outcome
    wrong = sum(value < RESISTANT_CONFIDENCE for value in target.true_confidence)
    if not wrong:
        return None
    which = "the target" if len(target.predicted) == 1 else f"{wrong} of {len(target.predicted)} targets"
    least = RESISTANT_CONFIDENCE
    return f"the control errs too: without attack {which} is not classified right with confidence {least}"


def _use(experiment: Experiment, last: RoundRecord) -> str | None:
    """Flag a model that misclassifies the target as it does nearly everything, unless the attack is untargeted."""
    if not targeted(experiment) or last.destroyed or (why := useless(last)) is None:
        return None
    what = "a met target" if experiment.goal is None else "a high success rate"
    return f"{USELESS}: {why}, so that {what} says little"


def _steadiness(experiment: Experiment, inside: Sequence[RoundRecord]) -> str | None:
    """Flag a last round, by which the attack is judged, that is not like most others."""
    if not targeted(experiment) and experiment.goal is None:
        return None
    count, ended = met_rounds(inside), met(inside[-1])
    if 2 * (count if ended else len(inside) - count) >= len(inside):
        return None
    what = "target" if experiment.goal is None else "goal"
    return (
        f"{UNUSUAL}: the {what} {'is' if ended else 'is not'} met there, but in {share_of(count, len(inside), 'round')}"
    )


def _placebo(experiment: Experiment, last: RoundRecord) -> str | None:
    """Flag a success that is none of the attack's, or of which nobody knows whether it is.

    A round from before there were placebos says nothing, and without a control there is a flag already.
    """
    if experiment.server.averages or last.twin is None or not last.knows_placebos:
        return None
    return _unknown_absence(experiment) if last.placebo is None else _absence(experiment, last, last.placebo)


def _absence(experiment: Experiment, last: RoundRecord, placebo: ControlRecord) -> str | None:
    if not _met(experiment, last) or not met(placebo):
        return None
    absence = ABSENCES if len(experiment.team) > 1 else ABSENCE
    if placebo.target is None:
        return f"{absence}: without {listed(experiment.team)} {_met(experiment, last)}"
    probability = placebo.target.mean_confidence
    return f"{absence}: without {listed(experiment.team)} {_met(experiment, last)} with confidence {probability:.2f}"


def _taking(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag a success of which nothing is the attack's: the rule always chose other updates, or checks rejected it."""
    attacked = sum(bool(record.attackers) for record in records)
    if not attacked or not _met(experiment, records[-1]) or taken(records) is not False:
        return None
    rounds = "1 round" if attacked == 1 else f"each of {attacked} rounds"
    never, it = (NONE_TAKEN, "them") if len(experiment.team) > 1 else (UNTAKEN, "it")
    return f"{never}: the server gave {it} no weight in {rounds}, and yet {_met(experiment, records[-1])}"


def _met(experiment: Experiment, last: RoundRecord) -> str:
    """Say in words how the attack succeeded; empty where it did not."""
    if experiment.goal is not None:
        return "the goal is met" if met(last) else ""
    if not targeted(experiment) or last.target is None or not last.target.success:
        return ""
    return "the target is met" if len(last.target.predicted) == 1 else "all targets are met"


def _unknown_absence(experiment: Experiment) -> str:
    absent = experiment.without_attacker()
    if not experiment.wants_placebo or absent.enough_updates:
        return f"no placebo: nobody knows whether {ABSENCES if len(experiment.team) > 1 else ABSENCE}"
    left = "1 update" if absent.fewest_updates == 1 else f"{absent.fewest_updates} updates"
    return (
        f"the placebo is not available: {left} may be left without {listed(experiment.team)}, "
        f"and the rule needs {absent.updates_needed}"
    )


def listed(clients: Sequence[int]) -> str:
    """Name clients: ``client 9``, ``clients 8, 9``."""
    return f"client{'s' * (len(clients) > 1)} {', '.join(map(str, clients))}"


def _acting(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag a run in which the attack never acted, in spite of its description."""
    several = len(experiment.team) > 1
    if not any(record.malicious_clients for record in records):
        return "no malicious client was ever chosen" if several else "the malicious client was never chosen"
    if not any(record.attackers for record in records):
        return "no malicious client ever acted" if several else "the malicious client never acted"
    return None


def _finite(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag a model, or honest updates, with entries that are not finite."""
    if (round_ := destroyed(records)) is not None:
        return f"the model was destroyed in round {round_}: its weights or its answers are no finite numbers any more"
    honest = [record for record in records if set(record.malformed) - set(experiment.team)]
    if not honest:
        return None
    rounds = counted(len(honest), "round")
    return f"honest clients sent updates that are not finite in {rounds}; try a lower local.learning_rate"


def _variances(records: Sequence[RoundRecord]) -> str | None:
    """Flag updates that turn running variances negative, at which a model's answers are no numbers."""
    sent = [[client for client in record.clients if client.negative_variances] for record in records]
    if not (senders := sorted({client.client for clients in sent for client in clients})):
        return None
    rounds = sum(map(bool, sent))
    most = max(client.negative_variances for clients in sent for client in clients)
    often = "1 round" if rounds == 1 else f"{rounds} rounds"
    return f"{NEGATIVE}: {listed(senders)} in {often}, up to {most} of them"


def _stand_in(experiment: Experiment) -> str | None:
    """Flag numbers of a model that nobody in the federation has."""
    if experiment.local.buffers == "average":
        return None
    return "a model that nobody has is measured: clients keep their buffers, and it has the mean of the honest ones'"


def _shape(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag an attack whose updates are of another shape or type than the model's weights."""
    by_round = [[client.fault for client in record.clients if client.malformed] for record in records]
    wrong = [found for faults in by_round if (found := [fault for fault in faults if fault != "not finite"])]
    if not wrong:
        return None
    rounds = counted(len(wrong), "round")
    who = ALL_REJECTED if len(experiment.team) > 1 else REJECTED
    return f"{who} in {rounds}: {wrong[-1][-1]}"


def _share(experiment: Experiment) -> str | None:
    """Flag attackers that are a large share of all clients."""
    count = len(experiment.team)
    share = count / experiment.clients
    if share <= LARGE_SHARE:
        return None
    who = "one client" if count == 1 else f"{count} clients"
    verb = "is" if count == 1 else "are"
    return f"{who} in {experiment.clients} {verb} malicious ({100 * share:.0f} %); above 10 % is rarely realistic"


def _majority(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag rounds in which half of the cohort or more was malicious, in an experiment with several attackers."""
    half = sum(2 * len(record.malicious_clients) >= len(record.clients) for record in records)
    if len(experiment.team) == 1 or not half:
        return None
    return f"{MAJORITY} in {share_of(half, len(records), 'round')}"


def _beyond_told(experiment: Experiment, records: Sequence[RoundRecord]) -> str | None:
    """Flag rounds in which several attackers were more than some stage is told."""
    told = min(experiment.server.told, default=None)
    if told is None or not (more := sum(len(record.malicious_clients) > max(told, 1) for record in records)):
        return None
    return f"{BEYOND_TOLD} (f = {told}) take part in {share_of(more, len(records), 'round')}"


def _sight(attack: Attack) -> str | None:
    """Flag an attack that sees what no client sees, which may be unknown of one whose code is not read."""
    seen_by_all = getattr(attack, "omniscient", None)  # all that runs of 0.1 noted
    sight = getattr(attack, "sight", None) or {True: "all", False: "own", None: None}[seen_by_all]
    if sight is None:
        return "it is not known whether the attack is omniscient: the run did not note it"
    if sight == "team":
        return "the attackers see the honest updates of their team"
    return "the attack is omniscient: it sees the other clients' updates" if sight == "all" else None


def _claim(attack: Attack) -> str | None:
    """Flag an attack that lies about its number of samples."""
    if (claim := getattr(attack, "claim", 1)) == 1:
        return None
    return f"the attackers say to have {claim:,g} times as many samples as they have"


def _knowledge(experiment: Experiment) -> str | None:
    """Flag an attack that tries the server's own chain, or one that is not the server's."""
    if experiment.assumed is None:
        return None
    if experiment.assumed == experiment.server:
        knows_checks = getattr(experiment.attack, "needs_checks", None)
        return f"the attack knows the server's rule{' and the checks that reject' if knows_checks else ''}"
    return f"the attack takes the server's rule for {experiment.assumed}, which it is not"


def _knowledge_of_state(experiment: Experiment) -> str | None:
    """Flag an attack that has what the server keeps from round to round."""
    knows = experiment.attackers is not None and experiment.attackers.server_state == "known"
    return "the attack knows what the server keeps from round to round" if knows else None


def _lossy(records: Sequence[RoundRecord]) -> str | None:
    """Flag a server whose model is worse than what a plain mean makes of its first updates, or of its last."""
    own = records[-1].quality.accuracy
    for record, which in ((records[0], "first"), (records[-1], "last")):
        if own is not None and record.mean_accuracy is not None and record.mean_accuracy - own > LOST:
            mean_ = percent(record.mean_accuracy)
            return f"{LOSSY}: {percent(own)} in the end, where a plain mean of the {which} updates gives {mean_}"
    return None


def oracle_f(experiment: Experiment) -> str | None:
    """Flag a rule that knows what no server knows."""
    count = len(experiment.team)
    knows_attackers = count in experiment.server.told
    return f"oracle f: the rule knows the true number of attackers, f = {count}" if knows_attackers else None


def _repetition(experiment: Experiment) -> str:
    """Flag the one seed of a run, and its one target unless the attack is untargeted, which has none to repeat."""
    single = experiment.goal is None and targeted(experiment) and experiment.target.r == 1
    extent = f"{ALONE} and one target" if single else ALONE
    return f"{extent}: repeat it with `fedlens sweep`"
