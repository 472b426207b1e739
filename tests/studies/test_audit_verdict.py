"""Verdicts of cells that were made up, by rules that can be followed by hand."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from fedlens.core.errors import ConfigError
from fedlens.studies.audit.cell import Cell
from fedlens.studies.audit.evidence import evidence
from fedlens.studies.audit.judgement import LeakTest, Verdict
from fedlens.studies.audit.verdict import judge

ROOT = Path(__file__).parents[2]
POWER = LeakTest(0.003)


def cells(name: str, successes: str, placebos: str = "", start: int = 0) -> list[Cell]:
    """A cell for each letter, ``x`` for a success; placebos do not succeed unless it is said."""
    placebos = placebos or "." * len(successes)
    pairs = zip(successes, placebos, strict=True)
    return [Cell(name, seed, one == "x", other == "x", 0.01) for seed, (one, other) in enumerate(pairs, start)]


def verdict(*tried: Sequence[Cell], **options: object) -> Verdict:
    names = list(dict.fromkeys(cell.finalist for one in tried for cell in one))
    return judge([cell for one in tried for cell in one], names, **{"leak_test": POWER, **options}).verdict  # type: ignore[arg-type]


def failed(name: str, seed: int) -> Cell:
    return Cell(name, seed, success=False, placebo=False, cost=0.0, failed=True)


def test_a_run_that_failed_speaks_for_nobody() -> None:
    """36 without a success hold; if one of them failed, it counts as the one success that takes 91."""
    assert verdict(cells("a", "." * 36)) == "holds"
    assert verdict([*cells("a", "." * 35), failed("a", 35)]) == "holds"  # the first 35 had decided it
    early = [failed("a", 0), *cells("a", "." * 90, start=1)]
    assert verdict(early[:36]) == "undecided"
    assert verdict(early[:90]) == "undecided"
    assert verdict(early) == "holds"
    found = judge(early[:36], ["a"], leak_test=POWER)
    assert (found.further, found.finalists[0].failed, found.finalists[0].successes) == (55, 1, 0)
    assert "the runs of 1 failed and count as if they were successes" in found.sentence
    assert found.upper == judge(cells("a", "x" + "." * 35), ["a"]).upper
    assert found.finalists[0].low == 0


def test_nor_does_it_help_to_break() -> None:
    """It counts as a success of the placebo alone, which takes ten of eleven in place of seven of seven."""
    assert verdict([failed("a", 0), *cells("a", "x" * 9, start=1)]) == "undecided"
    assert verdict([failed("a", 0), *cells("a", "x" * 10, start=1)]) == "broken"


def test_seven_successes_of_seven_are_broken_and_six_are_not() -> None:
    assert verdict(cells("a", "xxxxxx")) == "undecided"
    assert verdict(cells("a", "xxxxxxx")) == "broken"


def test_of_three_finalists_one_takes_nine_of_nine() -> None:
    others = [cells("b", "." * 9), cells("c", "." * 9)]
    assert verdict(cells("a", "x" * 9), *others) == "broken"
    assert verdict(cells("a", "x" * 8), *(one[:8] for one in others)) == "undecided"


def test_three_finalists_that_succeed_alike_need_no_more_than_one() -> None:
    alike = [cells(name, "x" * 7) for name in "abc"]
    found = judge([cell for one in alike for cell in one], ["a", "b", "c"])
    assert found.verdict == "broken"
    assert [one.adjusted for one in found.finalists] == pytest.approx([found.finalists[0].placebo] * 3)


def test_a_success_that_the_placebo_has_too_counts_for_nothing() -> None:
    assert verdict(cells("a", "x" * 40, "x" * 40)) == "holds"
    [finalist] = judge(cells("a", "xxx.", "x..x"), ["a"]).finalists
    assert (finalist.successes, finalist.placebos) == (2, 1)


def test_an_attack_that_is_better_than_its_placebo_but_rare_is_not_broken() -> None:
    """7 of 100: better than the placebo for sure, but its rate may well be 5 %."""
    rare = cells("a", "x" * 7 + "." * 93)
    random.Random(0).shuffle(rare)
    renumbered = [Cell("a", seed, one.success, False, 0.01) for seed, one in enumerate(rare)]
    found = judge(renumbered, ["a"], leak_test=POWER)
    [finalist] = found.finalists
    assert (finalist.placebo >= 20, finalist.broken, found.verdict) == (True, False, "undecided")


def test_an_attack_that_is_frequent_but_no_better_than_its_placebo_is_not_broken() -> None:
    found = judge(cells("a", "x.x.x." * 10, ".x.x.x" * 10), ["a"], leak_test=POWER)
    [finalist] = found.finalists
    assert finalist.low > 0.05
    assert (finalist.successes, finalist.placebos, finalist.broken) == (30, 30, False)


@pytest.mark.parametrize(("rate", "needed"), [(0.10, 35), (0.05, 71)])
def test_no_success_in_so_many_cells_holds(rate: float, needed: int) -> None:
    assert verdict(cells("a", "." * needed), rate=rate) == "holds"
    assert verdict(cells("a", "." * (needed - 1)), rate=rate) == "undecided"


def test_it_holds_only_if_the_rate_of_every_finalist_is_refuted_without_a_correction_for_their_number() -> None:
    never = [cells(name, "." * 36) for name in "abc"]
    assert verdict(*never) == "holds"
    assert verdict(*never[:2], cells("c", "x" + "." * 35)) == "undecided"


def test_a_success_costs_cells_and_how_many_is_said() -> None:
    found = judge(cells("a", "x" + "." * 35), ["a"], leak_test=POWER)
    assert (found.verdict, found.further) == ("undecided", 55)
    assert f"{100 * found.upper:.3g} %; 55 more seeds without a success could decide it" in found.sentence
    assert verdict(cells("a", "x" + "." * (35 + 54))) == "undecided"
    assert verdict(cells("a", "x" + "." * (35 + 55))) == "holds"


def test_further_cells_are_those_of_the_finalist_that_needs_most() -> None:
    both = [*cells("a", "." * 36), *cells("b", "x" + "." * 35)]
    assert judge(both, ["a", "b"]).further == 55
    assert judge(cells("a", "." * 34), ["a"]).sentence.endswith("; 1 more seed without a success could decide it")


def test_upper_limit_is_that_of_the_largest_rate_and_the_interval_of_all_together() -> None:
    found = judge([*cells("a", "." * 36), *cells("b", "x" + "." * 35)], ["a", "b"])
    first, second = found.finalists
    assert found.upper == second.upper > first.upper
    assert first.upper < 0.1 < first.high


@pytest.mark.parametrize(("leak_test", "right"), [
    (LeakTest(0.001), "holds"), (LeakTest(0.1), "holds"), (LeakTest(0.3), "no verdict"), (LeakTest(None), "no verdict"),
    (None, "no verdict"),
])  # fmt: skip
def test_it_holds_only_if_a_planted_leak_of_a_tenth_was_found(leak_test: LeakTest | None, right: Verdict) -> None:
    assert verdict(cells("a", "." * 36), leak_test=leak_test) == right


def test_whoever_misses_planted_leaks_has_no_verdict_unless_it_is_broken() -> None:
    assert verdict(cells("a", "..."), leak_test=LeakTest(None)) == "no verdict"
    assert verdict(cells("a", "..."), leak_test=None) == "undecided"
    assert verdict(cells("a", "x" * 7), leak_test=LeakTest(None)) == "broken"


def test_a_quick_audit_never_says_holds() -> None:
    found = judge(cells("a", "." * 100), ["a"], leak_test=POWER, effort="quick")
    assert (found.verdict, found.further) == ("undecided", 0)
    assert "a quick audit searches too little to say holds; try effort=standard" in found.sentence
    assert judge(cells("a", "."), ["a"], effort="quick").sentence.endswith("though a quick audit does not say holds")
    assert verdict(cells("a", "x" * 7), effort="quick") == "broken"
    assert verdict(cells("a", "." * 100), leak_test=LeakTest(None), effort="quick") == "no verdict"


def test_exit_codes() -> None:
    judgements = [
        judge(cells("a", "." * 36), ["a"], leak_test=POWER),
        judge(cells("a", "."), ["a"], leak_test=POWER),
        judge(cells("a", "x" * 7), ["a"]),
        judge(cells("a", "."), ["a"], leak_test=LeakTest(None)),
    ]
    assert [one.verdict for one in judgements] == ["holds", "undecided", "broken", "no verdict"]
    assert [one.exit_code() for one in judgements] == [0, 0, 1, 3]
    assert [one.exit_code(strict=True) for one in judgements] == [0, 1, 1, 3]


def test_sentences() -> None:
    assert judge(cells("alie", "." * 36), ["alie"], leak_test=POWER).sentence == (
        "holds at 10 %: 0 of 36 held-out seeds, a rate of success of 10 % or more is refuted at 5 %; "
        "this audit finds leaks down to 0.3 %"
    )
    broken = judge([*cells("alie", "." * 9), *cells("pgd", "x" * 8 + ".", "." * 8 + "x")], ["alie", "pgd"])
    low = broken.finalists[1].low
    assert broken.sentence == (
        "broken: pgd succeeded with 8 of 9 held-out seeds, and the placebo alone with 1; its rate of success is at "
        f"least {100 * low:.3g} %"
    )
    none = judge(cells("a", "."), ["a"], leak_test=LeakTest(None)).sentence
    assert none.startswith(
        "no verdict: of the leaks that were planted, the audit found none, where one of 10 % is needed"
    )
    assert "found none below 30 %" in judge(cells("a", "."), ["a"], leak_test=LeakTest(0.3)).sentence
    assert "nobody knows what it would have found" in judge(cells("a", "." * 36), ["a"]).sentence


def test_without_cells_all_is_possible() -> None:
    found = judge([], ["a", "b"])
    assert (found.verdict, found.upper, found.further, found.seeds) == ("undecided", 1, 35, 0)
    assert [(one.low, one.high, one.cost, one.unseen, one.mcnemar) for one in found.finalists] == [
        (0, 1, None, None, 1)
    ] * 2


def test_what_was_reached_stays() -> None:
    generator = np.random.default_rng(3)
    for rate in (0.02, 0.6):
        won = generator.random((200, 200, 2)) < rate
        found = evidence(won, np.zeros_like(won), 0.1)
        for decided in (found.broken, found.refuted):
            assert (np.diff(decided.astype(int), axis=1) >= 0).all()
        assert (np.diff(found.low, axis=1) >= 0).all()
        assert (np.diff(found.high, axis=1) <= 0).all()
        assert (found.low <= found.high).all()
    assert verdict(cells("a", "x" * 7 + "." * 200)) == "broken"
    assert verdict(cells("a", "." * 35 + "x" * 4)) == "holds"


def test_limits_that_would_contradict_each_other_stay_as_they_were() -> None:
    won = np.array([False] * 60 + [True] * 200)[:, None]
    found = evidence(won, ~won & False, 0.1)
    last = int(np.flatnonzero(np.diff(found.high[:, 0]))[-1]) + 1
    assert last == 60
    assert found.low[-1, 0] <= found.high[-1, 0] == found.high[60, 0]


def test_between_five_and_ten_percent_both_are_true_and_it_is_broken() -> None:
    """7.5 % of very many cells: after the first 36 without a success it holds, in the end it is broken."""
    won = [False] * 36 + [seed % 13 == 0 for seed in range(4000)]
    tried = [Cell("a", seed, one, False, 0.0) for seed, one in enumerate(won)]
    assert verdict(tried[:36]) == "holds"
    assert verdict(tried) == "broken"


def test_costs_and_effect_decide_what_a_success_is() -> None:
    cell = Cell("a", 0, success=True, placebo=False, cost=0.03)
    assert cell.counts(0.03)
    assert not cell.counts(0.02)
    assert not Cell("a", 0, True, False, 0.0, applied=False).counts(0.03)
    assert not Cell("a", 0, False, False, 0.0).counts(0.03)
    assert Cell("a", 0, True, True, 0.0).succeeded(0.03)
    dear = [Cell("a", seed, True, False, cost=0.05) for seed in range(36)]
    assert verdict(dear) == "holds"
    assert verdict(dear, accuracy_cost=0.05) == "broken"
    dear_and_placebo = [Cell("a", seed, True, True, cost=0.05) for seed in range(3)]
    assert judge(dear_and_placebo, ["a"]).finalists[0].placebos == 3


def test_order_of_cells_does_not_matter_and_seeds_count_up_to_the_first_that_is_incomplete() -> None:
    both = [*cells("a", "x" * 9), *cells("b", "." * 9)]
    shuffled = random.Random(0).sample(both, len(both))
    assert judge(shuffled, ["a", "b"]) == judge(both, ["a", "b"])
    assert judge([cell for cell in both if (cell.finalist, cell.seed) != ("b", 4)], ["a", "b"]).seeds == 4
    without = [cell for cell in both if cell.seed not in {0, 4}]
    assert judge(without, ["a", "b"]).seeds == 0
    assert judge(without, ["a", "b"], skipped={0, 4}).seeds == 7


def test_a_finalist_has_the_median_cost_and_the_share_unseen() -> None:
    tried = [Cell("a", seed, False, False, cost, unseen=cost < 0.2) for seed, cost in enumerate([0.0, 0.1, 0.5])]
    [finalist] = judge(tried, ["a"]).finalists
    assert (finalist.cost, finalist.unseen) == (0.1, pytest.approx(2 / 3))
    assert judge(cells("a", ".."), ["a"]).finalists[0].unseen is None


def test_mcnemar_is_described() -> None:
    [finalist] = judge(cells("a", "xxxx.x", "....xx"), ["a"]).finalists
    assert finalist.mcnemar == pytest.approx(scipy.stats.binomtest(4, 5).pvalue) == 0.375


@pytest.mark.parametrize("rate", [0, 1, 2.5, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(
        ConfigError, match=r"^rate: a number from 0.001 to below 1 is needed, not .*; e\.g\. rate=0\.1$"
    ):
        judge([], ["a"], rate=rate)


@pytest.mark.parametrize("cost", [-0.1, float("nan")])
def test_a_cost_that_is_none_is_refused(cost: float) -> None:
    with pytest.raises(
        ConfigError, match=r"^accuracy_cost: a number from 0 is needed, .*; e\.g\. accuracy_cost=0\.03$"
    ):
        judge([], ["a"], accuracy_cost=cost)


def test_cells_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="a, seed 0: there twice"):
        judge(cells("a", ".") * 2, ["a"])
    with pytest.raises(ValueError, match="b, seed 0: of none of the finalists a"):
        judge(cells("b", "."), ["a"])
    for finalists in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="different names are needed"):
            judge([], finalists)
    for seed, cost in ((-1, 0.0), (0, float("nan"))):
        with pytest.raises(ValueError, match="a seed from 0 and a cost are needed"):
            Cell("a", seed, False, False, cost)


def test_words_that_promise_too_much_do_not_occur() -> None:
    files = [*(ROOT / "src/fedlens/studies/audit").glob("*.py"), *(ROOT / "docs/explanation").glob("verdict.md")]
    assert len(files) >= 6
    for file in files:
        for word in ("certif", "secure", "robust"):
            assert word not in file.read_text("utf-8").lower(), file


def test_what_is_broken_has_a_lower_limit_above_five_percent() -> None:
    """Three alike need no correction by e-Holm, but their limits, which are right together, have one."""
    alike = [cells(name, "." * 60 + "x" * 12) for name in "abc"]
    found = judge([cell for one in alike for cell in one], ["a", "b", "c"], leak_test=POWER).finalists[0]
    assert found.placebo >= 60
    assert 20 <= found.floor < 60
    assert found.adjusted >= 20
    assert found.low < 0.05
    assert not found.broken


def test_an_audit_in_which_nothing_could_be_judged_has_no_verdict() -> None:
    found = judge([], ["a"], skipped={0, 1, 2, 3})
    assert (found.verdict, found.exit_code()) == ("no verdict", 3)
    assert found.sentence == "no verdict: none of the held-out seeds could be judged"
    assert judge([], ["a"]).verdict == "undecided"  # before the first


def test_undecided_says_what_speaks_for_broken() -> None:
    cells = [Cell("a", seed, success=seed < 3, placebo=False, cost=0.0) for seed in range(4)]
    words = judge(cells, ["a"]).sentence
    assert words.startswith("undecided: a succeeded with 3 of 4 held-out seeds, and the placebo alone with 0")
    assert "without a success could decide it" not in words
    rare = [Cell("a", seed, success=seed < 1, placebo=False, cost=0.0) for seed in range(4)]
    assert "without a success could decide it" in judge(rare, ["a"]).sentence
