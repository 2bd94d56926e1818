import pytest

from recsys.console import progress, table


def test_a_table_shows_numbers_with_separators_and_four_decimals(capsys):
    table("results", columns=["model", "users", "ndcg@10"], rows=[("gru", 6040, 0.12345)])
    shown = capsys.readouterr().out
    assert "results" in shown
    assert "6,040" in shown
    assert "0.1235" in shown or "0.1234" in shown


def test_a_table_prints_brackets_as_they_are(capsys):
    table("extras", columns=["name"], rows=[("[train]",)])
    assert "[train]" in capsys.readouterr().out


def test_a_table_without_rows_shows_its_columns(capsys):
    table("nothing", columns=["user"], rows=[])
    assert "user" in capsys.readouterr().out


def test_progress_outside_a_terminal_is_one_line_at_the_end(capsys):
    with progress("scoring", total=3, unit="users") as advance:
        advance(1)
        advance(2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("scoring: 3 users in ")
    assert captured.err.count("\n") == 1


def test_progress_that_fails_claims_nothing(capsys):
    with pytest.raises(ZeroDivisionError), progress("scoring", total=None, unit="users"):
        _ = 1 / 0
    assert capsys.readouterr().err == ""
