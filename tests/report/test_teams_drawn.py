"""A run with several attackers, in figures, pages and tables."""

from dataclasses import replace

import pytest
from small import small

import fedlens
from fedlens.analysis.defence import performance_of
from fedlens.analysis.run_results import Run
from fedlens.core.errors import ConfigError
from fedlens.defences.krum import Krum
from fedlens.report.data import chosen_of, overlap_words, ranges_of, shares_of, shares_words
from fedlens.report.figures.aggregation_weights import selected_clients
from fedlens.report.figures.distance_ranges import distance_ranges
from fedlens.report.figures.evolution import histogram_evolution
from fedlens.report.figures.figures import KINDS, figures_of
from fedlens.report.figures.metrics import metrics_of_interest
from fedlens.report.figures.updates import update_histograms
from fedlens.report.html.aggregation_weights import weights_chart
from fedlens.report.html.check_scores import caught_words, noticed_words
from fedlens.report.html.metrics import metrics_chart
from fedlens.report.html.opening import sentence
from fedlens.report.html.updates import updates_chart
from fedlens.report.looks import MALICIOUS
from fedlens.report.terminal.tables import rounds_table, summary_lines
from fedlens.report.words import headline, in_number
from fedlens.runs.record import ClientRecord, ControlRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three of nine clients attack, two or three of them in a round, under a rule that takes one update."""
    attack = {"name": "explicit-boosting", "boost": 0.05, "step_cap": 105}
    experiment = small(
        attack=attack, attackers={"clients": [0, 3, 6]}, clients=9, fraction=0.667, rounds=4,
        aggregation=Krum(f=1), checks=["distances", "statistics"],
    )  # fmt: skip
    made = fedlens.run(experiment, tmp_path_factory.mktemp("team") / "run", engine="serial")
    return fedlens.load_run(made.path)


def test_what_each_attacker_weighed_is_told(run: Run) -> None:
    shares, chosen = shares_of(run), chosen_of(shares_of(run))
    assert chosen is not None
    for part, record, client in zip(shares, run.records, chosen, strict=True):
        assert set(part.attackers) == {one.client for one in record.attackers} == set(record.cohort) & {0, 3, 6}
        assert not set(part.attackers) & set(part.benign)
        assert ({**part.benign, **part.attackers})[client] == 1
    caught = sum(client in {0, 3, 6} for client in chosen)
    assert shares_words(run, shares) == f"a malicious client was chosen in {caught} of 4 rounds with an attack"
    assert caught > 0, "so small an update is Krum's choice"
    chart = weights_chart(run)
    attacked = {client for client, by in zip(chart.columns["client"], chart.columns["attacked"], strict=True) if by}
    assert attacked <= {0, 3, 6}
    assert len(attacked) > 1


def test_the_figure_has_a_line_for_each_attacker_in_one_colour(run: Run) -> None:
    [panel] = selected_clients([run]).axes
    lines = [line for line in panel.lines if list(line.get_xdata()) == [0, 1]]
    assert [line.get_ydata()[0] for line in lines] == [0, 3, 6]
    assert {line.get_color() for line in lines} == {MALICIOUS}
    assert [text for text in panel.get_legend_handles_labels()[1] if "the malicious" in text] == [
        "the malicious clients"
    ]
    texts = [text.get_text() for text in histogram_evolution([run]).findobj(lambda artist: hasattr(artist, "get_text"))]
    assert any("first attacker of each cohort" in text for text in texts)


def test_words_name_the_team(run: Run) -> None:
    assert "clients 0, 3 and 6 attacked by explicit-boosting" in sentence(run)
    lines = {name: values[-1] for name, *values in summary_lines(run)}
    numbers = [len(record.attackers) for record in run.records]
    assert lines["attackers in a round"] == f"{min(numbers)} to {max(numbers)} of 3"
    assert "Σα_m of the attackers (assumed to be announced)" in lines
    cells = list(rounds_table(run).columns[1].cells)
    assert cells == [f"{number} clients" if number > 1 else "yes" for number in numbers]


def test_the_table_of_rounds_counts_attackers(run: Run) -> None:
    table = run.rounds
    assert table["malicious_clients"].tolist() == [len(record.malicious_clients) for record in run.records]
    assert table["malicious_share"].tolist() == [record.malicious_weight for record in run.records]


def test_its_checks_know_all_attackers(run: Run) -> None:
    guilty = run.checks[run.checks["guilty"]]
    assert set(guilty["client"]) == {0, 3, 6}
    assert len(guilty) == 2 * sum(len(record.attackers) for record in run.records)


def test_distances_of_attackers_are_from_benign_updates(run: Run) -> None:
    several = [record for record in run.records if len(record.attackers) > 1]
    assert several
    for record in several:
        own = [client.measure("to_benign") for client in record.attackers]
        assert all(isinstance(pair, list) for pair in own)
        among = {str(client.measure("among_benign")) for client in record.clients if client.attacked}
        assert len(among) == 1
        assert not any("to_benign" in client.measured for client in record.clients if not client.attacked)
        every = [client.measure("range") for client in record.attackers]
        assert all(part[0] >= whole[0] and part[1] <= whole[1] for part, whole in zip(own, every, strict=True))
    assert run.rounds["distance_gap"].notna().tolist() == [bool(record.attackers) for record in run.records]
    [panel] = distance_ranges([run]).axes
    assert "malicious updates to benign ones" in panel.get_legend_handles_labels()[1]


def test_what_ranges_of_all_updates_do_not_tell_is_said(run: Run) -> None:
    """As of a run from before there were ranges from benign updates."""
    old = [replace(one, clients=[replace(client, measured={}) for client in one.clients]) for one in run.records]
    before = Run(run.path, run.experiment, old, run.target, None)
    several = [len(record.attackers) > 1 for record in run.records]
    assert before.rounds["distance_gap"].isna().tolist() == several
    words = overlap_words(before, ranges_of(before))
    assert "the ranges recorded are of all updates" in words
    assert "nobody attacked" not in words
    assert [part.malicious is None for part in ranges_of(before)] == several


def test_checks_flag_so_many_of_its_updates(run: Run) -> None:
    """There are more malicious updates than rounds, so a share of them is no share of the rounds."""
    done = performance_of(run.records, "statistics")
    assert done.attacking == sum(len(record.attackers) for record in run.records) > len(run.records)
    begins = f"It flagged {done.caught} of {done.attacking} malicious updates, and honest clients in"
    assert caught_words(run, done).startswith(begins)
    flagged = [replace(one, clients=[_flagged(client) for client in one.clients]) for one in run.records]
    everyone = Run(run.path, run.experiment, flagged, run.target, None)
    words = noticed_words(everyone)
    assert "flagged a malicious client" in words
    assert f"statistics {done.attacking} of {done.attacking} malicious updates" in words
    assert "rounds" not in words


def _flagged(client: ClientRecord) -> ClientRecord:
    return replace(client, checks={name: replace(check, flagged=True) for name, check in client.checks.items()})


def test_words_of_a_team_are_in_the_plural(run: Run) -> None:
    records = [replace(one, placebo=ControlRecord(one.quality, one.target)) for one in run.records]
    beside = Run(run.path, run.experiment, records, run.target, None)
    chart = metrics_chart(beside)
    assert "with the clients absent (placebo)" in [panel.title for panel in chart.panels]
    assert "Malicious clients attacked in every round." in chart.caption
    assert "the clients absent" in str(rounds_table(beside).caption)
    assert "confidence in target class, clients absent" in [
        label for panel in metrics_of_interest([beside]).axes for label in panel.get_legend_handles_labels()[1]
    ]
    names = [name for name, *_ in summary_lines(run)]
    assert "a malicious update chosen alone" in names
    assert in_number("the client absent", small()) == "the client absent"


def test_shares_of_a_team_are_a_mean_like_that_of_benign_clients(run: Run) -> None:
    """Under the mean all clients of equal shards weigh the same, however many attack."""
    records = [
        replace(one, clients=[replace(client, effective_weight=1 / 6) for client in one.clients]) for one in run.records
    ]
    [panel] = selected_clients([Run(run.path, run.experiment, records, run.target, None)]).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in panel.lines}
    assert drawn["malicious clients' mean share"] == pytest.approx([1 / 6] * 4)
    assert drawn["benign clients' mean share"] == pytest.approx([1 / 6] * 4)


def test_every_figure_can_be_drawn(run: Run) -> None:
    assert {kind for kind, _ in figures_of(run)} == {*KINDS} - {"triggered"}


def test_the_updates_drawn_are_of_one_of_the_attackers(run: Run) -> None:
    record = next(one for one in run.records if len(one.attackers) > 1)
    _, malicious = update_histograms([run], record.round).axes
    [words] = [text.get_text() for text in malicious.get_legend().get_texts()]
    first = record.attackers[0].client
    assert words.splitlines()[0] == f"malicious client {first}, one of {len(record.attackers)} attackers"
    chart = updates_chart(run)
    assert chart is not None
    assert chart.title == "Updates of a benign and of a malicious client"
    finite = [replace(client, malformed=client.attack is not None) for client in record.clients]
    others = [replace(one, clients=finite) if one is record else one for one in run.records]
    with pytest.raises(ConfigError, match=f"no malicious update was finite in round {record.round}"):
        update_histograms([Run(run.path, run.experiment, others, run.target, None)], record.round)


def test_the_placebo_of_attackers_in_every_round_says_how_many_are_left() -> None:
    team = small(attack="honest", attackers={"count": 2, "schedule": "every-round"}, clients=8, fraction=0.5)
    assert "K=8, 4 a round, " in headline(team.twin())
    assert "K=8, 2 a round, without clients 6, 7, " in headline(team.without_attacker())
