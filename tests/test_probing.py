"""Tasks small enough that the right answer of every part of the teaching is known."""

import pytest
import torch

from recsys.auxiliary.read_support import unread
from recsys.data.batches import Events
from recsys.errors import ConfigError
from recsys.input.event import EventInput
from recsys.input.table import own_rows
from recsys.memory.key_value import KeyValue
from recsys.memory.mean_pool import MeanPool
from recsys.output.candidate_read import CandidateRead
from recsys.probing import Examinee, Lesson, errors, examine, support_of
from recsys.response.dot import Dot
from recsys.task.contract import Episodes, Task, unasked
from recsys.task.recall import Recall
from recsys.teaching.alone import Alone

WIDTH, SLOTS = 6, 4
LESSON = Lesson(
    teaching=Alone(),
    batch_size=16,
    supervise=0.0,
    steps=200,
    cpu_seconds=20,
    goal=0.0,
    check_every=20,
    gentle_steps=0,
    halve_every=0,
    clip=10.0,
)


class Echo(Task):
    """The answer is the item of the question, or of the event itself."""

    items, behaviours, options, parts = 3, 0, 3, 1

    def __init__(self, *, asks):
        self.asks = asks

    def table(self, width):
        return own_rows(width, items=self.items)

    def draw(self, episodes, generator):
        item = torch.randint(1, 4, (episodes, 5), generator=generator)
        events = Events(item[:, :4], item[:, :4] * 60, item[:, :4] * 0, item[:, :4] > 0)
        asked = Events(item[:, 4:], item[:, 4:], item[:, 4:] * 0, item[:, 4:] > 0)
        target = item[:, 4:] if self.asks else item[:, :4]
        return Episodes(
            events=events,
            question=asked if self.asks else unasked(events),
            target=target[..., None] - 1,
            support=torch.full((episodes, 1), -1),
        )

    def rehearsals(self, generator):
        return {"echo": self.draw(50, generator)}

    def exams(self, generator):
        return {"echo": self.draw(70, generator)}


def examinee(task, *, question="apart", slots=SLOTS):
    torch.manual_seed(1)
    output = CandidateRead(
        width=WIDTH,
        slots=SLOTS,
        heads=1,
        hops=2,
        dropout=0.0,
        address="both",
        strength=1.0,
        gain=2.0,
    )
    return Examinee(
        task=task,
        input=EventInput(table=task.table, behaviours=0, width=WIDTH, dropout=0.0),
        memory=KeyValue(table=task.table, width=WIDTH, slots=slots, dropout=0.0),
        output=output,
        response=Dot(items=3, width=WIDTH, slot_width=output.slot_width, dropout=0.0),
        question=question,
    )


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.02)


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("question", ["apart", "written"])
def test_an_echo_is_learned(asks, question):
    task = Echo(asks=asks)
    report = examine(examinee(task, question=question), task, lesson=LESSON, optimizer=adam, seed=0)
    assert report.errors == {"echo": 0}
    assert report.steps < LESSON.steps  # the goal ended it


def test_the_weights_of_the_best_rehearsal_are_kept():
    task = Echo(asks=True)
    sitter = examinee(task)

    def reckless(parameters):
        return torch.optim.SGD(parameters, lr=50.0)

    before = errors(sitter, task.rehearsals(torch.Generator().manual_seed(1)))["echo"]
    lesson = LESSON._replace(steps=30, check_every=1, goal=-1.0)
    report = examine(sitter, task, lesson=lesson, optimizer=reckless, seed=0)
    again = errors(sitter, task.rehearsals(torch.Generator().manual_seed(1)))["echo"]
    assert again == report.rehearsal
    assert again <= before + 0.2


def test_a_story_is_not_changed_by_a_question_asked_apart():
    task = Echo(asks=True)
    sitter = examinee(task).eval()
    episodes = task.draw(3, torch.Generator().manual_seed(0))
    other = episodes._replace(
        question=episodes.question._replace(item=episodes.question.item % 3 + 1)
    )
    first, second = (sitter.remembered(asked).slots for asked in (episodes, other))
    assert torch.equal(first.keys, second.keys)
    assert torch.equal(first.values, second.values)


@pytest.mark.parametrize("question", ["apart", "written"])
def test_a_story_asked_often_answers_as_if_it_were_told_for_each_question(question):
    task = Recall(length=4, keys=16, values=3, questions=2)
    sitter = examinee(task, question=question).eval()
    often = task.draw(3, torch.Generator().manual_seed(0))
    told = Events(*(field.repeat_interleave(2, dim=0) for field in often.events))
    once = often._replace(events=told)
    assert (often.questions, once.questions) == (2, 1)
    assert torch.equal(sitter(often), sitter(once))
    written = question == "written"
    slots = [
        support_of(sitter.remembered(asked).slots, asked, asks=True, written=written)
        for asked in (often, once)
    ]
    assert torch.equal(*slots)
    assert (slots[0] >= 0).any()


def lost(sitter, episodes):
    """What is paid for reads beside the labelled slots, and the slots with what they got."""
    along = sitter.remembered(episodes)
    written = sitter.question == "written"
    told = support_of(along.slots, episodes, asks=sitter.asks, written=written)
    view = sitter.output.look(*along)
    return unread(view.hops, told), view


@pytest.mark.parametrize(("question", "later"), [("apart", 0), ("written", 1)])
def test_what_is_lost_is_the_negative_log_weight_of_the_known_slots(question, later):
    task = Echo(asks=True)
    sitter = examinee(task, question=question, slots=5).eval()
    episodes = task.draw(2, torch.Generator().manual_seed(0))
    episodes = episodes._replace(support=torch.tensor([[3, -1], [0, 2]]))
    cost, view = lost(sitter, episodes)
    first = 1 - later  # before it stands the empty start, unless the question has pushed it out
    known = [(0, 0, 3), (1, 0, 0), (1, 1, 2)]
    expected = [view.hops[user, hop, 0, first + place] for user, hop, place in known]
    items = [view.slots.item[user, first + place] for user, hop, place in known]
    assert items == [episodes.events.item[user, place] for user, _, place in known]
    torch.testing.assert_close(cost, -torch.stack(expected).log().mean())


def test_answers_along_the_events_are_due_reads_of_what_had_happened():
    task = Echo(asks=False)
    sitter = examinee(task).eval()
    episodes = task.draw(2, torch.Generator().manual_seed(0))
    target = episodes.target.clone()
    target[0, 1:] = target[1, :3] = -1  # due at the first event, and at the last
    episodes = episodes._replace(target=target, support=torch.tensor([[2], [1]]))
    cost, view = lost(sitter, episodes)  # the first user's event 2 had not happened
    assert view.slots.item[1, 2] == episodes.events.item[1, 1]
    torch.testing.assert_close(cost, -view.hops[1, 0, 3, 2].log())


def test_no_known_support_costs_nothing():
    task = Echo(asks=True)
    assert lost(examinee(task).eval(), task.draw(2, torch.Generator().manual_seed(0)))[0] == 0


def test_an_event_that_the_log_has_forgotten_is_not_known():
    task = Echo(asks=True)
    episodes = task.draw(2, torch.Generator().manual_seed(0))
    longer = Events(*(torch.cat([field, field], dim=1) for field in episodes.events))
    episodes = episodes._replace(events=longer, support=torch.tensor([[0], [3]]))
    assert lost(examinee(task).eval(), episodes)[0] == 0


def test_supervision_of_slots_that_are_no_events_is_refused():
    task = Echo(asks=True)
    sitter = examinee(task)
    sitter.memory = MeanPool(table=task.table, width=WIDTH, dropout=0.0)
    with pytest.raises(ConfigError, match="whose slots are events"):
        examine(sitter, task, lesson=LESSON._replace(supervise=1.0), optimizer=adam, seed=0)


def test_the_learning_rate_starts_at_half_and_is_halved_again_and_again_afterwards():
    lesson = LESSON._replace(steps=8, check_every=8, gentle_steps=3, halve_every=2)
    rates = []

    class Noted(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            super().step(closure)

    def optimizer(parameters):
        return Noted(parameters, lr=0.4)

    examine(examinee(Echo(asks=True)), Echo(asks=True), lesson=lesson, optimizer=optimizer, seed=0)
    torch.testing.assert_close(
        torch.tensor(rates), torch.tensor([0.2, 0.2, 0.2, 0.4, 0.4, 0.2, 0.2, 0.1])
    )
