"""An audit as its file has it, in sentences and tables that the terminal, pages and Markdown have in common."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from shlex import join
from statistics import fmean, median
from typing import Any

from fedlens.analysis.counted import counted
from fedlens.analysis.held_out import AUDIT
from fedlens.analysis.percent import percent
from fedlens.core.documents import revived
from fedlens.core.errors import DamagedRunError, shortened
from fedlens.core.regular import regular
from fedlens.goals.damage import DROP, RISE
from fedlens.runs.start import read_start

AUDITED, WORST = "audited.yaml", "worst.yaml"
RUN = re.compile(r"cells/[\w-]+")
"""Where the runs of an audit are: nowhere else, whatever a file says."""

PURPOSES = {
    "targets": "to have samples of their choice misclassified",
    "backdoor": "to have inputs with a trigger misclassified",
    "damage": "to make the model worse",
}
LEAST = {
    "accuracy lost": f"{100 * DROP:g} points of accuracy",
    "error added": f"{RISE:g} standard deviations (SD) of the labels",
}
"""By how much the goal damage wants the model to be worse."""
LIMITS = (
    "Weaknesses that none of the attacks comes upon, such as a key that opens the server.",
    "Other data, models and numbers of clients, longer training, and larger teams of attackers.",
    "Attackers who know more than these, who know the server and its checks but not what other clients send.",
    "Rates of success below the one that was asked for: they are compatible with holding.",
)
"""What no audit sees."""


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        caption: what it shows.
        head: the columns' names.
        rows: cells in words, as many in each as there are names.
        words: so many columns at the left are words; the others are numbers.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Audited:
    """An audit that has been made.

    Attributes:
        path: its directory.
        found: what ``audit.json`` has.
    """

    path: Path
    found: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """Broken, holds, undecided or no verdict."""
        return str(self.found["verdict"])

    @property
    def verdict_sentence(self) -> str:
        """The verdict with its numbers."""
        return _sentence(self.found["sentence"])

    @property
    def sentence(self) -> str:
        """What was audited."""
        about = self.found["subject"]
        attackers = "one of which attacks" if about["attackers"] == 1 else f"{about['attackers']} of which attack"
        checks = f"checks them by {enumerated(about['checks'])}" if about["checks"] else "has no other checks"
        purpose = PURPOSES.get(about["goal"], f"with the goal {about['goal']}").replace("their", _whose(about), 1)
        cohort = f", {about['cohort']} of them in each" if about["cohort"] < about["clients"] else ""
        return (
            f"{counted(about['clients'], 'client')}, {attackers} {purpose}, train the model {about['model']} on "
            f"{about['data']} for {counted(about['rounds'], 'round')}{cohort}; the server aggregates their updates by "
            f"{about['server']} and {checks}."
        )

    @property
    def effort(self) -> str:
        """What was tried."""
        tried, whole = self.found["tried"], self.found["federations"]
        rounds, suited = sum(one["rounds"] for one in tried), self.found["suited"]
        return (
            f"{len(tried)} of {counted(suited, 'attack')} that suit it were tried in "
            f"{counted(rounds, 'single round')}, {len(whole)} of them in whole federations, and "
            f"{len(self.found['finalists'])} with {counted(self.seeds, 'seed')} that the search never saw (effort "
            f"{self.found['effort']}, {self.found['version']})."
        )

    @property
    def asks(self) -> bool:
        """Whether the goal asks the model for classes; else it is that the model gets worse."""
        return bool(self.found["subject"]["asks"])

    @property
    def lost(self) -> str:
        """What an attack takes from the model: a price to be paid, or the goal itself."""
        if self.found["subject"]["regression"]:
            return "error added"
        return "accuracy cost" if self.asks else "accuracy lost"

    @property
    def reached(self) -> str:
        """What says how far an attack has come."""
        if not self.asks:
            return self.lost
        return "confidence" if self.found["subject"]["goal"] == "targets" else "success rate"

    @property
    def counting(self) -> str:
        """What a success is."""
        cost = f" and it costs at most {100 * self.found['accuracy_cost']:.3g} points of accuracy" if self.asks else ""
        least = f", by at least {LEAST[self.lost]}" if self.found["subject"]["goal"] == "damage" else ""
        goal = "the goal is met" if self.asks else f"the model is worse than the benign twin{least}"
        return f"A success counts if {goal}{cost}, but not where the attackers are absent (the placebo)."

    @property
    def intervals(self) -> str:
        """What the intervals are, and why the verdict may name another limit."""
        words = "All intervals are right together in 95 % of audits, whenever one looks."
        if self.verdict != "undecided" or len(self.found["finalists"]) < 2:
            return words
        return f"{words} The verdict's limit is about the highest rate alone, so that it may be lower than theirs."

    @property
    def ranking(self) -> str:
        """What the search ranks attacks by."""
        if self.asks:
            return (
                "The utility is the mean over single rounds of what an attack adds to the log-odds of its goal, less "
                "what accuracy is lost above the limit."
            )
        unit = "in standard deviations of the labels" if self.found["subject"]["regression"] else "as a fraction"
        return f"The utility is the mean of the {self.lost} in single rounds, {unit}."

    @property
    def seeds(self) -> int:
        """How many seeds count for the verdict."""
        return int(self.found["judgement"]["seeds"])

    @property
    def flags(self) -> list[str]:
        """The red flags, as sentences."""
        return [f"{_sentence(flag['words'])[:-1]} ({flag['code']})." for flag in self.found["flags"]]

    def finalists(self) -> Rows:
        """Tabulate what is known of each finalist."""
        head = [
            *("attack", "successes", "95 % interval", "placebo alone", "difference", self.lost),
            *("noticed by", "effective weight"),
        ]
        rows = [self._finalist(one) for one in self.found["judgement"]["finalists"]]
        return Rows("Finalists, with seeds that the search never saw", head, rows)

    def _finalist(self, one: Mapping[str, Any]) -> list[str]:
        cells = [cell for cell in self.found["verdict_cells"] if cell["attack"] == one["name"]]
        weights = [cell["effective_weight"] for cell in cells if cell["effective_weight"] is not None]
        difference = (one["successes"] - one["placebos"]) / one["cells"] if one["cells"] else None
        return [
            one["name"],
            f"{one['successes']} of {one['cells']}" + (f", {failed} failed" if (failed := one.get("failed")) else ""),
            f"{100 * one['low']:.0f} to {100 * one['high']:.0f} %",
            f"{one['placebos']} of {one['cells']}",
            "–" if difference is None else f"{100 * difference:+.0f} points".replace("-", "−"),
            self._amount(one["cost"]),
            noticed([cell["flagged"] for cell in cells]) if any(cell["flagged"] for cell in cells) else "no check",
            f"{median(weights):.2f}" if weights else "–",
        ]

    def leaks(self) -> Rows:
        """Tabulate the leaks that were planted."""
        rows = [
            [
                f"{100 * one['eta']:g} %",
                f"{one['found']} of {one['rounds']}",
                "yes" if one["broken"] else "no",
                one["by"] or "–",
            ]
            for one in self.found["leaks"]
        ]
        return Rows("Planted leaks", ["share of the mean", "rounds", "found", "first by"], rows)

    def sight(self) -> Rows:
        """Tabulate single rounds of the adaptive attack, and of the same that sees all updates."""
        rows, bounds = [], self.found.get("reach", [])
        most = [f"{fmean(one['at_most'] for one in bounds):.2f}"] if bounds else []
        for name, key in (("sees its own updates", "adaptive"), ("sees all updates", "omniscient")):
            if rounds := self.found[key]:
                costs = [one["attacked"]["error"] - one["honest"]["error"] for one in rounds]
                values = [value if isfinite(value := one["attacked"]["value"]) else 0.0 for one in rounds]
                rows.append(
                    [
                        name,
                        f"{sum(one['success'] for one in rounds)} of {len(rounds)}",
                        *([f"{fmean(values):.2f}"] if self.asks else []),
                        *most,
                        f"{sum(one['applied'] for one in rounds)} of {len(rounds)}",
                        self._amount(median(costs)),
                    ]
                )
        reached = [f"mean {self.reached}"] if self.asks else []
        also = ["at most"] if bounds else []
        head = ["attacker", "successes", *reached, *also, "used by the server", f"median {self.lost}"]
        return Rows("The same single rounds, with and without sight of all updates", head, rows)

    @property
    def at_most(self) -> str:
        """What any attack could make of the same single rounds at most; empty where the rule's reach is unknown."""
        bounds, about = [one for one in self.found.get("reach", []) if one["found"] is not None], self.found["subject"]
        if not bounds:
            return ""
        found, most = (fmean(one[key] for one in bounds) for key in ("found", "at_most"))
        sent = "the attacker sends" if about["attackers"] == 1 else "the attackers send"
        shapes = " or ".join(f"a {shape}" for shape in dict.fromkeys(one["shape"] for one in bounds))
        what = f"{self.reached}, mean of {counted(len(bounds), 'single round')}"
        return (
            f"Found {found:.2f}, at most {most:.2f} ({what}): whatever {sent}, {about['server']} keeps the model’s "
            f"step within {shapes}, in which a search found nothing better for the attack, at any cost in accuracy. "
            "This bounds single rounds, up to local optima of that search; it is no proof."
        )

    def tried(self) -> Rows:
        """Tabulate every attack that was tried, the best first."""
        whole = {one["arm"]: one for one in self.found["federations"]}
        rows = [
            [
                one["arm"],
                f"{one['successes']} of {one['rounds']}",
                _utility(one["utility"], failed=bool(one["error"])),
                f"{whole[one['arm']]['successes']} of {whole[one['arm']]['seeds']}" if one["arm"] in whole else "",
                one["error"],
            ]
            for one in self.found["tried"]
        ]
        return Rows("Everything that was tried", ["attack", "rounds", "utility", "federations", "error"], rows)

    def unfit(self) -> Rows:
        """Tabulate the attacks that do not suit the experiment, in a row those of one name and reason.

        What would be done about it in an experiment of one's own is left out.
        """
        groups: dict[tuple[str, str], list[str]] = {}
        for name, why in self.found["unfit"].items():
            groups.setdefault((name.split()[0], why.partition("; e.g. ")[0]), []).append(name)
        rows = [
            [names[0] if len(names) == 1 else f"{attack}, {len(names)} times", why]
            for (attack, why), names in groups.items()
        ]
        return Rows("Not tried", ["attack", "why"], rows, words=2)

    def federations(self) -> Rows:
        """Tabulate the federations of the verdict."""
        rows = [
            [
                one["attack"],
                str(one["number"]),
                {None: "–", True: "yes", False: "no"}[one["counts"]],
                {None: "–", True: "yes", False: "no"}[one["placebo"]],
                *([_value(one["reached"])] if self.asks else []),
                self._amount(one["cost"]),
                noticed([one["flagged"]]),
                one["reason"],
                one["run"],
            ]
            for one in self.found["verdict_cells"]
        ]
        reached = [self.reached] if self.asks else []
        head = ["attack", "seed", "success", "placebo", *reached, self.lost, "noticed by", "reason", "run"]
        return Rows("Every federation of the verdict", head, rows)

    def _amount(self, lost: float | None) -> str:
        """Format what an attack took from the model: points of accuracy, or standard deviations of the labels."""
        if lost is None:
            return "–"
        if not isfinite(lost):
            return "no finite model"
        words = f"{lost:.2f} SD" if self.found["subject"]["regression"] else f"{100 * lost:.1f} points"
        return words.replace("-", "−")

    @property
    def worst(self) -> Path | None:
        """The run of the worst federation, if there is one."""
        one = self.found["worst"]
        if one is None:
            return None
        if not RUN.fullmatch(one["run"]):
            raise ValueError(f"worst.run: {shortened(one['run'])} is no run of this audit")
        return self.path / str(one["run"])

    @property
    def worst_sentence(self) -> str:
        """What came of the worst federation."""
        one = self.found["worst"]
        ended = "It is a success of the attack" if one["counts"] else "It is no success of the attack"
        return f"Attacked by {one['attack']}, with seed {one['number']} of the verdict. {ended}."

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield what to do next, and the command."""
        limits = ["--accuracy-cost", f"{self.found['accuracy_cost']:g}"] if self.asks else []
        limits += ["--rate", f"{self.found['rate']:g}"]
        how = ["--effort", self.found["effort"], "--share", f"{self.found['plan']['share']:g}", *limits]
        again = [str(self.path / AUDITED), *how, "--out", f"{self.path}-again"]
        if self.worst is not None:
            start = read_start(self.worst)
            engine = [] if start is None else ["--engine", "serial" if start.engine == "ray" else start.engine]
            yield "Run the worst federation, to the bit", join(["fedlens", "run", str(self.path / WORST), *engine])
        yield "Compare the attacks", join(["fedlens", "compare", str(self.path), "--by", "attack"])
        yield "Make the audit again", join(["fedlens", "audit", *again])


def read_audit(path: Path) -> Audited:
    """Read an audit's directory.

    Raises:
        DamagedRunError: its file is missing or damaged.
    """
    file = path / AUDIT
    try:
        audited = Audited(path, revived(json.loads(regular(file).read_text("utf-8"))))
        _require_shown(audited)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DamagedRunError(f"{file}: cannot be read ({error}); repeat the command that made the audit") from error
    return audited


def _require_shown(audited: Audited) -> None:
    """Make all that is shown once, so that what cannot be is noticed before half a page is written."""
    for table in (audited.finalists, audited.leaks, audited.sight, audited.tried, audited.unfit, audited.federations):
        table()
    _ = (audited.verdict, audited.verdict_sentence, audited.sentence, audited.effort, audited.flags)
    if audited.worst is not None:
        _ = audited.worst_sentence
    _ = audited.at_most
    list(audited.commands())


def noticed(flagged: Sequence[Mapping[str, float]]) -> str:
    """Say which checks flagged attackers, and in what share of their rounds on average."""
    shares = {name: [each.get(name, 0.0) for each in flagged] for each in flagged for name in each}
    seen = {name: fmean(of_one) for name, of_one in shares.items() if any(of_one)}
    return ", ".join(f"{name} in {percent(share)}" for name, share in seen.items()) or "none"


def enumerated(names: Sequence[str]) -> str:
    """Enumerate names: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _whose(about: Mapping[str, Any]) -> str:
    return "its" if about["attackers"] == 1 else "their"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _value(reached: float | None) -> str:
    return "–" if reached is None else f"{reached:.2f}"


def _utility(value: float, *, failed: bool) -> str:
    return "–" if failed else f"{value:+.2f}".replace("-", "−")
