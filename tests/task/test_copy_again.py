"""Several rounds of the copy task are one story."""

import torch

from recsys.task.copy_again import CopyAgain

TASK = CopyAgain(bits=3, longest=4, copies=3, exam_copies=5, sitting=7)


def test_each_round_of_an_exam_is_start_patterns_end_and_blanks():
    story = TASK.exams(torch.Generator().manual_seed(0))["5"]
    item, asked = story.events.item, (story.target >= 0).all(2)
    start, end, blank = 9, 10, 11
    assert item.shape == (7, 5 * 10)
    for first in range(0, 50, 10):
        assert (item[:, first] == start).all()
        assert (item[:, first + 1 : first + 5] <= 8).all()
        assert (item[:, first + 5] == end).all()
        assert (item[:, first + 6 : first + 10] == blank).all()
        assert asked[:, first + 6 : first + 10].all()
    assert asked.sum() == 7 * 5 * 4


def test_what_is_due_is_what_the_round_has_told():
    story = TASK.exams(torch.Generator().manual_seed(0))["5"]
    for first in range(0, 50, 10):
        pattern = story.events.item[:, first + 1 : first + 5] - 1
        due = story.target[:, first + 6 : first + 10]
        assert torch.equal((due * torch.tensor([1, 2, 4])).sum(2), pattern)


def test_times_rise_over_all_rounds():
    story = TASK.draw(3, torch.Generator().manual_seed(1))
    assert (story.events.time.diff(dim=1) == 1).all()
