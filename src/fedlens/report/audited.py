"""An audit as its file has it, in sentences and tables that the terminal, pages and Markdown have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from statistics import fmean, median
from typing import Any

from fedlens.analysis.counted import counted
from fedlens.analysis.percent import percent
from fedlens.core.documents import revived
from fedlens.core.errors import DamagedRunError
from fedlens.core.regular import regular

AUDIT, AUDITED, WORST = "audit.json", "audited.yaml", "worst.yaml"

PURPOSES = {
    "targets": "to have samples of their choice misclassified",
    "backdoor": "to have inputs with a trigger misclassified",
    "damage": "to make the model worse",
}
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
        checks = f"checks them by {' and '.join(about['checks'])}" if about["checks"] else "checks nothing"
        purpose = PURPOSES.get(about["goal"], f"with the goal {about['goal']}").replace("their", _whose(about), 1)
        return (
            f"{counted(about['clients'], 'client')}, {attackers} {purpose}, train the model {about['model']} on "
            f"{about['data']} for {counted(about['rounds'], 'round')}; the server aggregates their updates by "
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
            *("attack", "successes", "95 % interval", "placebo alone", "difference", "accuracy cost"),
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
            f"{one['successes']} of {one['cells']}",
            f"{100 * one['low']:.0f} to {100 * one['high']:.0f} %",
            f"{one['placebos']} of {one['cells']}",
            "–" if difference is None else f"{100 * difference:+.0f} points".replace("-", "−"),
            _points(one["cost"]),
            noticed([cell["flagged"] for cell in cells]) if self.found["subject"]["checks"] else "no check",
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
        rows = []
        for name, key in (("sees its own updates", "adaptive"), ("sees all updates", "omniscient")):
            if rounds := self.found[key]:
                costs = [one["attacked"]["error"] - one["honest"]["error"] for one in rounds]
                rows.append(
                    [
                        name,
                        f"{sum(one['success'] for one in rounds)} of {len(rounds)}",
                        f"{fmean(one['attacked']['value'] for one in rounds):.2f}",
                        f"{sum(one['applied'] for one in rounds)} of {len(rounds)}",
                        _points(median(costs)),
                    ]
                )
        head = ["attacker", "successes", "mean reached", "used by the server", "accuracy cost"]
        return Rows("The same single rounds, with and without sight of all updates", head, rows)

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
        """Tabulate the attacks that do not suit the experiment."""
        return Rows("Not tried", ["attack", "why"], [[name, why] for name, why in self.found["unfit"].items()], words=2)

    def federations(self) -> Rows:
        """Tabulate the federations of the verdict."""
        rows = [
            [
                one["attack"],
                str(one["number"]),
                {None: "–", True: "yes", False: "no"}[one["counts"]],
                {None: "–", True: "yes", False: "no"}[one["placebo"]],
                "–" if one["reached"] is None else f"{one['reached']:.2f}",
                _points(one["cost"]),
                noticed([one["flagged"]]),
                one["reason"],
                one["run"],
            ]
            for one in self.found["verdict_cells"]
        ]
        head = ["attack", "seed", "success", "placebo", "reached", "accuracy cost", "noticed by", "reason", "run"]
        return Rows("Every federation of the verdict", head, rows)

    @property
    def worst(self) -> Path | None:
        """The run of the worst federation, if there is one."""
        one = self.found["worst"]
        return None if one is None else self.path / one["run"]

    @property
    def worst_sentence(self) -> str:
        """What came of the worst federation."""
        one = self.found["worst"]
        ended = "It is a success of the attack" if one["counts"] else "It is no success of the attack"
        return f"{_sentence(one['attack'])[:-1]}, with seed {one['number']} of the verdict. {ended}."

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield what to do next, and the command."""
        limits = ["--accuracy-cost", f"{self.found['accuracy_cost']:g}", "--rate", f"{self.found['rate']:g}"]
        how = ["--effort", self.found["effort"], "--share", f"{self.found['plan']['share']:g}", *limits]
        again = [str(self.path / AUDITED), *how, "--out", f"{self.path}-again"]
        if self.worst is not None:
            yield "Run the worst federation", join(["fedlens", "run", str(self.path / WORST)])
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
        for table in (audited.finalists, audited.leaks, audited.sight, audited.tried, audited.federations):
            table()  # all that is shown can be read
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DamagedRunError(f"{file}: cannot be read ({error}); repeat the command that made the audit") from error
    return audited


def noticed(flagged: Sequence[Mapping[str, float]]) -> str:
    """Say which checks flagged attackers, and in what share of their rounds on average."""
    shares = {name: [each.get(name, 0.0) for each in flagged] for each in flagged for name in each}
    seen = {name: fmean(of_one) for name, of_one in shares.items() if any(of_one)}
    return ", ".join(f"{name} in {percent(share)}" for name, share in seen.items()) or "none"


def _whose(about: Mapping[str, Any]) -> str:
    return "its" if about["attackers"] == 1 else "their"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _points(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f} points".replace("-", "−")


def _utility(value: float, *, failed: bool) -> str:
    return "–" if failed else f"{value:+.2f}".replace("-", "−")
