"""What there is to draw of a run: series and their captions, computed once, whichever ink draws them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fedlens.analysis.intervals import wilson
from fedlens.analysis.kept import require_recorded
from fedlens.analysis.percent import percent
from fedlens.analysis.run_results import Run
from fedlens.analysis.stealth import are_unknown, benign_range, malicious_range, ranges, spanned
from fedlens.core.errors import ConfigError
from fedlens.report.looks import STYLES, Style
from fedlens.runs.record import RoundRecord
from fedlens.runs.record_values import mean

if TYPE_CHECKING:
    import pandas as pd

WIDE = 10
"""The ratio of the distances from which on their axis is logarithmic."""
FAR = 50
"""How many times the usual score the greatest has to be for an axis that is logarithmic above the usual."""

Range = tuple[float, float]


def run_name(run: Run) -> str:
    """Return the name of the run's directory, or the experiment's if that is an identity, as in sweeps."""
    name = run.path.resolve().name
    return run.experiment.name if name == run.experiment.identity() else name


def attacked_rounds(run: Run) -> list[int]:
    """Return the rounds in which a malicious client attacked."""
    return [record.round for record in run.records if record.attackers]


def unseen_words(run: Run) -> str:
    """Say why a run has no malicious update to look at: nobody attacked, or none of them was finite."""
    return "no malicious update was finite, so all were refused" if attacked_rounds(run) else "nobody attacked"


def shaded(run: Run) -> list[tuple[int, int]]:
    """Return the first and last round of each stretch with an attack; none where all rounds have one."""
    attacked = attacked_rounds(run)
    return [] if len(attacked) == len(run.records) else list(stretches(attacked))


def stretches(rounds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each stretch of rounds, in order, that follow each other without a gap."""
    first = None
    for round_ in rounds:
        first = round_ if first is None else first
        if round_ + 1 not in rounds:
            yield first, round_
            first = None


@dataclass(frozen=True)
class Line:
    """A metric round by round, with the name of its column and its look.

    Attributes:
        column: in the run's table.
        style: its look.
        values: a value for each round.
        band: the 95 % interval of each value, if it is a rate of so many inputs.
    """

    column: str
    style: Style
    values: "pd.Series[Any]"
    band: list[Range] | None = None


def lines_of(run: Run, side: str = "") -> list[Line]:
    """Return the known metrics of interest, of the run or of a control (`side`); NaN where unknown."""
    columns = {f"{side}_{metric}" if side else metric: style for metric, style in STYLES.items()}
    known = {name: run.rounds[name].astype(float) for name in columns if name in run.rounds}
    bands = {f"{side}_asr" if side else "asr": intervals_of(run, side)}
    return [
        Line(name, columns[name], values, bands.get(name)) for name, values in known.items() if values.notna().any()
    ]


def intervals_of(run: Run, side: str = "") -> list[Range] | None:
    """Return Wilson's 95 % interval of the attack success rate after each round, of the run or of a control."""
    sides = [record.controls.get(side) if side else record for record in run.records]
    answers = [each.backdoor for each in sides if each is not None and each.backdoor is not None]
    return [wilson(answer.hits, answer.count) for answer in answers] if len(answers) == len(sides) else None


@dataclass(frozen=True)
class Ranges:
    """The ranges of a round's distances; ``None`` where there is no pair of updates, or no attack."""

    round: int
    benign: Range | None
    malicious: Range | None

    @property
    def overlap(self) -> bool:
        """Whether both ranges are there and have a distance in common."""
        if self.benign is None or self.malicious is None:
            return False
        return self.benign[0] <= self.malicious[1] and self.malicious[0] <= self.benign[1]


def ranges_of(run: Run) -> list[Ranges]:
    """Return the ranges of every round.

    Raises:
        ConfigError: the run kept no distances.
    """
    require_recorded(run, "distances")
    return [_ranges(record) for record in run.records]


def are_wide(ranges: Iterable[Ranges]) -> bool:
    """Tell whether the distances are so far apart that their axis must be logarithmic."""
    values = [value for part in ranges for value in (*(part.benign or ()), *(part.malicious or ()))]
    return bool(values) and max(values) > WIDE * min(values) > 0


def overlap_words(run: Run, ranges: Sequence[Ranges]) -> str:
    """In how many rounds the ranges overlap, in words."""
    attacked = sum(part.malicious is not None for part in ranges)
    unknown = sum(map(are_unknown, run.records))
    why = "the ranges recorded are of all updates"
    if not attacked:
        return f"whether the ranges overlap is not known: {why}" if unknown else unseen_words(run)
    words = f"the ranges overlap in {sum(part.overlap for part in ranges)} of {attacked} rounds with an attack"
    return f"{words}; not known in {unknown} more: {why}" if unknown else words


def to_benign_words(run: Run) -> str:
    """Name the distances of malicious updates."""
    return f"malicious update{'s' * (len(run.experiment.team) > 1)} to benign ones"


def _ranges(record: RoundRecord) -> Ranges:
    if not record.attackers:
        return Ranges(record.round, _pair(spanned(ranges(record.seen, "range"))), None)
    return Ranges(record.round, _pair(benign_range(record)), _pair(malicious_range(record)))


def _pair(span: list[float] | None) -> Range | None:
    return None if span is None else (span[0], span[1])


@dataclass(frozen=True)
class Shares:
    """What each update weighed in a round.

    Attributes:
        round: the round's number.
        benign: share of each client that did not attack, by its number.
        attackers: share of each client that attacked, by its number.
    """

    round: int
    benign: dict[int, float]
    attackers: dict[int, float]

    @property
    def malicious(self) -> float | None:
        """The attackers' share together; ``None`` where nobody attacked."""
        return sum(self.attackers.values()) if self.attackers else None

    @property
    def chosen(self) -> int | None:
        """The client that had all the weight, if one had."""
        used = {client: share for client, share in {**self.benign, **self.attackers}.items() if share}
        return next(iter(used)) if list(used.values()) == [1.0] else None


def all_alike(run: Run) -> bool:
    """Tell whether every update got its weight α_i in every round, so that there is nothing to see."""
    return bool(run.experiment.server.averages) and not any(record.rejected for record in run.records)


def shares_of(run: Run) -> list[Shares]:
    """Return the shares of every round in which the rule was applied.

    Raises:
        ConfigError: the run's rule does not tell what each update weighed.
    """
    rounds = [record for record in run.records if record.effective_weights is not None and record.skipped is None]
    if not rounds:
        raise ConfigError(
            f"{run.path}: the rule {run.experiment.server} does not tell what each update weighed; e.g. --kind metrics"
        )
    shares_by_round = []
    for record in rounds:
        shares = dict(zip(record.cohort, record.effective_weights or [], strict=True))
        attackers = {client.client: shares.pop(client.client) for client in record.attackers}
        shares_by_round.append(Shares(record.round, shares, attackers))
    return shares_by_round


def chosen_of(shares: Sequence[Shares]) -> list[int] | None:
    """Return the client that the rule chose in each round; ``None`` if it mixed updates in one of them."""
    chosen = [part.chosen for part in shares]
    one_each = [client for client in chosen if client is not None]
    return one_each if len(one_each) == len(chosen) else None


def shares_words(run: Run, shares: Sequence[Shares]) -> str:
    """How often a malicious client was chosen, or what the malicious updates weighed, in words."""
    several = len(run.experiment.team) > 1
    ours = [part.malicious for part in shares if part.malicious is not None]
    benign = [share for part in shares for share in part.benign.values()]
    attacked = len(attacked_rounds(run))
    if attacked and chosen_of(shares) is not None:
        who = "a malicious client" if several else "the malicious client"
        return f"{who} was chosen in {sum(map(bool, ours))} of {attacked} rounds with an attack"
    if not ours:
        return "the rule was applied in no round with an attack" if attacked else "nobody attacked"
    whose = "the malicious clients' updates together" if several else "the malicious client's update"
    words = f"{whose} weighed {percent(mean(ours))} on average"
    return words + (f", a benign one {percent(mean(benign))}" if benign else "")


def outgrown(scores: "pd.DataFrame") -> float | None:
    """Return the usual score, if the greatest of a check's `scores` is so large that it would flatten all others."""
    sizes = scores["score"].abs()
    usual = float(sizes[~scores["guilty"].astype(bool)].quantile(0.9))
    return usual if usual > 0 and sizes.max() > FAR * usual else None
