"""The reader of the bAbI tasks: stories, questions inside them, answers and what supports them."""

import gzip

import pytest
import torch

from recsys.errors import ConfigError
from recsys.task.babi import Babi, read, words

STORY = """1 Mary moved to the bathroom.
2 Where is Mary? \tbathroom\t1
3 John took the milk and the apple there.
4 Mary went back to the hallway.
5 Where is Mary? \thallway\t4
6 What is John carrying? \tmilk,apple\t3
1 Sandra travelled to the office.
2 Where is Sandra? \tOffice\t1
"""


@pytest.fixture
def folder(tmp_path):
    """Tasks 3 and 4 with the same stories; the training stories ten times over."""
    for number in (3, 4):
        (tmp_path / f"qa{number}_some-name_train.txt").write_text(STORY * 10)
        (tmp_path / f"qa{number}_some-name_test.txt").write_text(STORY)
    return tmp_path


def said(task, item):
    """Items as sentences."""
    names = {place: sentence for sentence, place in task.item.items()}
    return [names.get(place, "") for place in item.tolist()]


def options(task):
    return list(task.option)


def test_questions_are_no_statements_and_support_counts_statements(folder):
    first, second = read(folder / "qa3_some-name_test.txt")
    assert [line.answer for line in first] == ["bathroom", "hallway", "milk,apple"]
    assert [line.support for line in first] == [(0,), (2,), (1,)]
    assert [len(line.story) for line in first] == [1, 3, 3]
    assert first[0].question == "Where is Mary?"
    assert second[0].story == ("Sandra travelled to the office.",)
    assert second[0].answer == "office"


def test_gzip_is_read_as_it_lies(folder, tmp_path):
    plain = folder / "qa3_some-name_test.txt"
    packed = tmp_path / "qa5_some-name_test.txt.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(packed) == read(plain)


def test_words_are_small_letters_without_marks():
    assert words("Where is Mary?") == ["where", "is", "mary"]
    assert words("s,e") == ["s", "e"]


def test_a_story_stands_at_the_end_of_its_row(folder):
    exam = Babi(path=str(folder), number=3).exams(torch.Generator())["task_3"]
    task = Babi(path=str(folder), number=3)
    assert said(task, exam.events.item[0]) == ["", "", "Mary moved to the bathroom."]
    assert said(task, exam.events.item[2])[0] == "Mary moved to the bathroom."
    assert exam.events.present.sum(1).tolist() == [1, 3, 3, 1]
    assert said(task, exam.question.item[:, 0])[2] == "What is John carrying?"


def test_support_is_a_place_in_the_row(folder):
    task = Babi(path=str(folder), number=3)
    exam = task.exams(torch.Generator())["task_3"]
    read_at = exam.events.item.gather(1, exam.support[:, :1])[:, 0]
    assert said(task, read_at) == [
        "Mary moved to the bathroom.",
        "Mary went back to the hallway.",
        "John took the milk and the apple there.",
        "Sandra travelled to the office.",
    ]


def test_an_answer_of_several_words_is_one_option_and_an_item(folder):
    task = Babi(path=str(folder), number=3)
    exam = task.exams(torch.Generator())["task_3"]
    assert options(task) == ["bathroom", "hallway", "milk,apple", "office"]
    assert exam.target.flatten().tolist() == [0, 1, 2, 3]
    assert said(task, task.answers) == options(task)
    assert (task.sentences[task.answers] > 0).sum(1).tolist() == [1, 1, 2, 1]


def test_equal_sentences_are_one_item_and_share_their_words(folder):
    task = Babi(path=str(folder), number=3)
    assert task.items == 4 + 3 + 4  # statements, questions, answers
    assert task.words == len(set(words(STORY.replace("\t", " "))))
    both = (
        task.sentences[task.item["Where is Mary?"]],
        task.sentences[task.item["Where is Sandra?"]],
    )
    assert torch.equal(both[0][:2], both[1][:2])


def test_the_last_tenth_of_the_stories_is_held_out(folder):
    task = Babi(path=str(folder), number=3)
    assert len(task.train.target) + len(task.held.target) == 40
    assert len(task.held.target) == 3 + 1  # two of twenty stories
    assert task.rehearsals(torch.Generator())["held_out"] is task.held


def test_several_tasks_are_learnt_together_and_sit_their_own_exams(folder):
    task = Babi(path=str(folder), number=[3, 4])
    assert set(task.exams(torch.Generator())) == {"task_3", "task_4"}
    assert len(task.train.target) == 2 * 36
    drawn = task.draw(7, torch.Generator().manual_seed(0))
    assert drawn.target.shape == (7, 1, 1)


def test_a_missing_file_is_named(folder):
    with pytest.raises(ConfigError, match="no file qa17_"):
        Babi(path=str(folder), number=17)


def test_the_real_tasks_have_a_thousand_questions_each(datasets):
    for number in (1, 3, 19):
        task = Babi(path=str(datasets / "babi" / "en"), number=number)
        exam = task.exams(torch.Generator())[f"task_{number}"]
        assert len(task.train.target) + len(task.held.target) == 1000
        assert len(exam.target) == 1000
        assert (exam.support[:, 0] >= 0).all()


def test_the_larger_set_is_packed(datasets):
    task = Babi(path=str(datasets / "babi" / "en-10k"), number=15)
    assert len(task.train.target) + len(task.held.target) == 10_000


def test_a_word_weighs_the_same_at_a_place_of_any_sentence(folder):
    task = Babi(path=str(folder), number=3)
    table = task.table(5)
    weight, there = table.table.place, task.sentences.shape[1]
    assert (weight == weight[:1]).all()
    k, j = torch.arange(1, 6) / 5, torch.arange(1, there + 1)[:, None] / there
    torch.testing.assert_close(weight[0], 2 * ((1 - j) - k * (1 - 2 * j)))
    item = torch.tensor([[3, 0, 3], [1, 2, 0]])
    assert torch.equal(table(item), table.table(item))
