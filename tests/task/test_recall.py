import pytest
import torch

from recsys.errors import ConfigError
from recsys.task.recall import EXAM, Recall

LENGTH, KEYS, VALUES, STORIES, QUESTIONS = 5, 23, 3, 40, 3


@pytest.fixture
def task():
    return Recall(length=LENGTH, keys=KEYS, values=VALUES, questions=QUESTIONS)


def drawn(task, *, seed=0):
    return task.draw(STORIES, torch.Generator().manual_seed(seed))


def test_a_story_tells_each_key_once(task):
    story = drawn(task).events
    assert story.item.shape == (STORIES, LENGTH)
    assert all(len(set(keys)) == LENGTH for keys in story.item.tolist())
    assert set(story.item.flatten().tolist()) == set(range(1, KEYS + 1))
    assert set(story.behaviour.flatten().tolist()) == set(range(1, VALUES + 1))
    assert story.present.all()


def test_the_answer_is_the_value_told_with_the_key_that_is_asked(task):
    episodes = drawn(task)
    assert episodes.questions == QUESTIONS
    for row in range(STORIES * QUESTIONS):
        story = row // QUESTIONS
        keys, values = (field[story].tolist() for field in episodes.events[:3:2])
        told = dict(zip(keys, values, strict=True))
        asked = int(episodes.question.item[row, 0]) - KEYS
        assert told[asked] == int(episodes.target[row, 0, 0]) + 1
        assert int(episodes.events.item[story, episodes.support[row, 0]]) == asked


def test_a_story_is_asked_for_as_many_keys(task):
    asked = drawn(task).question.item.view(STORIES, QUESTIONS).tolist()
    assert all(len(set(keys)) == QUESTIONS for keys in asked)


@pytest.mark.parametrize("questions", [0, LENGTH + 1])
def test_more_questions_than_pairs_are_refused(questions):
    with pytest.raises(ConfigError, match=f"questions is {questions}"):
        Recall(length=LENGTH, keys=KEYS, values=VALUES, questions=questions)


def test_the_question_is_another_item_and_tells_no_value(task):
    question = drawn(task).question
    assert (question.item > KEYS).all()
    assert (question.item <= task.items).all()
    assert (question.behaviour == 0).all()


def test_the_longer_exam_has_four_times_the_pairs(task):
    exams = task.exams(torch.Generator().manual_seed(0))
    assert exams["as_trained"].events.item.shape == (EXAM, LENGTH)
    assert exams["longer"].events.item.shape == (EXAM, 4 * LENGTH)


def test_a_story_with_more_pairs_than_keys_is_refused():
    with pytest.raises(ConfigError, match="keys is 19"):
        Recall(length=LENGTH, keys=19, values=VALUES, questions=QUESTIONS)
