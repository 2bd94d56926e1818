import polars as pl
import pytest

from recsys.evaluation.comparison import by_k, compare, facts, scoreboard
from recsys.evaluation.report import Report

NAMES = ("hit_rate", "recall", "ndcg", "mrr", "map", "coverage")


def report(values):
    users = pl.DataFrame({"user_id": range(len(values)), "truths": 1, "ndcg@5": values})
    summary = {f"{name}@5": sum(values) / len(values) for name in NAMES}
    return Report(summary=summary, counts={"users": len(values), "truths_seen": 0}, users=users)


REPORTS = {
    "model": report([1.0, 0.5, 0.0, 1.0]),
    "worse": report([0.5, 0.0, -0.5, 0.5]),
    "equal": report([1.0, 0.5, 0.0, 1.0]),
}


def compared(reports=REPORTS, *, ours="model"):
    return compare(reports, ours=ours, metric="ndcg@5", resamples=199, seed=3)


def test_differences_are_ours_minus_theirs():
    differences = compared()

    assert list(differences) == ["worse", "equal"]
    assert differences["worse"].interval == pytest.approx((0.5, 0.5, 0.5, 1 / 200))
    assert differences["equal"].interval == (0, 0, 0, 1)


def test_p_is_corrected_for_the_number_of_baselines():
    differences = compared()

    assert differences["worse"].p_holm == pytest.approx(2 / 200)
    assert differences["equal"].p_holm == 1


def test_without_ours_or_others_nothing_is_compared():
    assert compared(ours=None) == {}
    assert compared({"model": REPORTS["model"]}) == {}


def test_the_scoreboard_shows_each_system_and_the_interval():
    board = scoreboard(REPORTS, compared(), metric="ndcg@5")

    assert board.columns == [
        "system",
        "hit_rate@5",
        "ndcg@5",
        "ours ahead in ndcg@5, 95 %",
        "p (Holm)",
    ]
    assert board.rows[0] == ["model", 0.625, 0.625, "", ""]
    assert board.rows[1][3:] == ["+0.5000 to +0.5000", "0.0100"]


def test_without_ours_the_scoreboard_has_metrics_only():
    board = scoreboard(REPORTS, {}, metric="mrr@5")

    assert board.columns == ["system", "mrr@5", "hit_rate@5", "ndcg@5"]
    assert len(board.rows) == 3


def test_a_system_is_shown_at_every_k():
    summary = {"ndcg@1": 0.1, "map@1": 0.2, "ndcg@9": 0.3, "map@9": 0.4}

    board = by_k(REPORTS["model"]._replace(summary=summary))

    assert board.columns == ["metric", "@1", "@9"]
    assert board.rows == [["ndcg", 0.1, 0.3], ["map", 0.2, 0.4]]


def test_facts_leave_out_what_is_zero():
    assert facts(REPORTS["model"]) == "4 users"
