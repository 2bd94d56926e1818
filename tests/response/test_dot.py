import pytest
import torch

from recsys.errors import ConfigError
from recsys.output.contract import Reading
from recsys.response.dot import Dot

ANSWER = [[0.0, 0.0, 0.0, 0.0, 0.0], [1, 2, 3, 10, 20], [4, 5, 6, 30, 40], [-1, 0, 1, 50, 60]]
USER = torch.tensor([[[1.0, 0, 2], [0, 1, 0]]])  # one row, two positions


@pytest.fixture
def respond():
    """Three items whose answers and biases are written down."""
    dot = Dot(items=3, width=3, slot_width=2, dropout=0.0).eval()
    with torch.no_grad():
        dot.answer.weight.copy_(torch.tensor(ANSWER))
        dot.bias.weight.copy_(torch.tensor([[0.0], [0.5], [-1], [2]]))
    return dot


def test_an_answer_has_a_part_for_the_user_and_one_for_the_slots(respond):
    answers = respond.answers(torch.tensor([2]))
    assert answers.user.tolist() == [[4, 5, 6]]
    assert answers.slot.tolist() == [[30, 40]]
    assert answers.bias.tolist() == [-1]


def test_every_candidate_at_every_position(respond):
    memory = torch.tensor([[[100.0, 200, 300], [0, 0, 0]]])
    scores = respond.every(Reading(USER, memory), respond.answers(torch.tensor([1, 2, 3])))
    # <1 0 2, 1 2 3> + 100 + 0.5 and so on; the second position asks for the middle number alone
    assert scores.tolist() == [[[107.5, 215, 303], [2.5, 4, 2]]]


def test_each_positions_own_candidate(respond):
    scores = respond.each(USER, torch.tensor([[100.0, 7]]), respond.answers(torch.tensor([[3, 1]])))
    assert scores.tolist() == [[103, 9.5]]


def test_many_own_candidates_at_the_only_position(respond):
    memory = torch.tensor([[1.0, 2, 3]])
    scores = respond.each(USER[:, :1], memory, respond.answers(torch.tensor([[3, 1, 1]])))
    assert scores.tolist() == [[4, 9.5, 10.5]]


def test_an_output_without_slot_answers_needs_none():
    dot = Dot(items=3, width=4, slot_width=0, dropout=0.0)
    assert dot.answers(torch.tensor([1, 2])).slot.shape == (2, 0)


def test_tied_answers_are_the_vectors_by_which_items_are_known():
    known = torch.nn.Embedding(4, 3)
    dot = Dot(items=3, width=3, slot_width=2, dropout=0.0, tied=True, known=known)
    answers = dot.answers(torch.tensor([3, 1]))
    assert torch.equal(answers.user, known.weight[[3, 1]])
    assert torch.equal(answers.slot, dot.answer.weight[[3, 1]])
    (USER[0] @ answers.user.T).sum().backward()
    assert known.weight.grad[[1, 3]].abs().sum() > 0


def test_what_is_tied_to_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"response\.tied"):
        Dot(items=3, width=3, slot_width=0, dropout=0.0, tied=True)
