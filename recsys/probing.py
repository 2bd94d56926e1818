"""A memory sits an exam: the recommender's own modules learn a task whose right answers are known.

The options are the catalogue: each has a row in R's table, and its score is the user's vector times
that row plus what the memory says of it when the question asks.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recsys.auxiliary.read_support import slots_of_age, unread
from recsys.data.support import age_of
from recsys.errors import ConfigError
from recsys.input.event import EventInput
from recsys.memory.contract import Look, Memory, Slots, State
from recsys.output.contract import Output, View
from recsys.response.dot import Dot
from recsys.task.contract import Episodes, Task
from recsys.teaching.contract import Teaching

logger = logging.getLogger(__name__)
Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Examinee(nn.Module):
    """I, G, O and R with a task in place of a catalogue.

    A question is either asked ``apart``, so that it is encoded as if nothing had happened before,
    or ``written``, as the last event of the story. Either way it is the first query of O, and its
    item is what the candidate's hop asks with.
    """

    def __init__(
        self,
        *,
        task: Task,
        input: EventInput,
        memory: Memory,
        output: Output,
        response: Dot,
        question: Literal["apart", "written"],
    ) -> None:
        super().__init__()
        self.input, self.memory, self.output, self.response = input, memory, output, response
        self.question = question
        self.asks, self.parts, self.options = task.asks, task.parts, task.options
        self.option: Tensor
        self.register_buffer("option", torch.arange(1, task.parts * task.options + 1))

    def forward(self, episodes: Episodes) -> Float[Tensor, "row position part option"]:
        """Logits of the options of each part, at the question or after every event."""
        return self.logits(self.output.look(*self.remembered(episodes)), episodes)

    def remembered(self, episodes: Episodes) -> Look:
        """What O can look at when an answer is due, and its first query."""
        start = self.memory.initial_state(episodes.events.item.shape[0])
        if not self.asks:
            return self.memory.along(start, episodes.events, self.input)
        state = self.memory.write(start, episodes.events, self.input)
        state = _copied(state, episodes.questions)
        if self.question == "written":
            state = self.memory.write(state, episodes.question, self.input)
            return self.memory.look(state, self.input)
        blank = _copied(start, episodes.questions)
        alone = self.memory.write(blank, episodes.question, self.input)
        asked = self.memory.look(alone, self.input).context
        return Look(self.memory.look(state, self.input).slots, asked)

    def logits(self, view: View, episodes: Episodes) -> Float[Tensor, "row position part option"]:
        """What is answered after this look."""
        answers = self.response.answers(self.option)
        if self.asks:
            query = self.input.query(episodes.question.item).expand(-1, self.option.shape[0], -1)
            answer = answers.slot.expand(query.shape[0], -1, -1)
            told = self.output.each(view, query, answer)
            scores = self.response.each(view.user, told, answers)[:, None]
        else:
            query = self.input.query(torch.zeros_like(self.option))
            reading = self.output.every(view, query, answers.slot)
            scores = self.response.every(reading, answers)
            scores = scores.reshape(*episodes.target.shape[:2], -1)
        return scores.unflatten(-1, (self.parts, self.options))


class Lesson(NamedTuple):
    """How an examinee is taught.

    Attributes:
        teaching: How the hops read while they learn.
        supervise: Weight of the loss on which slot each hop should read, where the task knows.
        steps: Most steps.
        cpu_seconds: Most CPU time of this process.
        goal: Share of wrong answers in the worst rehearsal at which training stops.
        check_every: Steps between rehearsals.
        gentle_steps: First steps, which have half the learning rate.
        halve_every: Steps after those until the rate is halved, and halved again; 0 for never.
        clip: Largest norm of the gradient.
    """

    teaching: Teaching
    batch_size: int
    supervise: float
    steps: int
    cpu_seconds: float
    goal: float
    check_every: int
    gentle_steps: int
    halve_every: int
    clip: float


class Report(NamedTuple):
    """What came of it."""

    errors: dict[str, float]  # share of wrong answers in each exam
    rehearsal: float  # share of wrong answers in the worst rehearsal, at the best step
    steps: int
    cpu_seconds: float


def examine(
    examinee: Examinee, task: Task, *, lesson: Lesson, optimizer: Optimizer, seed: int
) -> Report:
    """Teaches, keeps the weights of the best rehearsal, and sits the exams with them.

    Training, rehearsals and exams are drawn from generators of their own.
    """
    torch.manual_seed(seed)
    draws, rehearsing, sitting = (
        torch.Generator().manual_seed(3 * seed + place) for place in range(3)
    )
    rehearsals = task.rehearsals(rehearsing)
    updates = optimizer(examinee.parameters())
    rate = torch.optim.lr_scheduler.LambdaLR(updates, partial(_pace, lesson))
    began = time.process_time()
    best, kept, step = float("inf"), copy.deepcopy(examinee.state_dict()), 0
    while step < lesson.steps and best > lesson.goal:
        episodes = task.draw(lesson.batch_size, draws)
        _teach(examinee, episodes, lesson=lesson, updates=updates, step=step)
        step += 1
        rate.step()
        late = time.process_time() - began > lesson.cpu_seconds
        if step % lesson.check_every == 0 or step == lesson.steps or late:
            worst = max(errors(examinee, rehearsals).values())
            logger.info("step %d: worst rehearsal %.4f wrong", step, worst)
            if worst < best:
                best, kept = worst, copy.deepcopy(examinee.state_dict())
        if late:
            break
    spent = time.process_time() - began
    examinee.load_state_dict(kept)
    return Report(errors(examinee, task.exams(sitting)), best, step, spent)


@torch.no_grad()
def errors(examinee: Examinee, exams: dict[str, Episodes]) -> dict[str, float]:
    """Share of wrong answers in each exam; the examinee is in training mode afterwards."""
    examinee.eval()
    found = {}
    for name, episodes in exams.items():
        chosen = examinee(episodes).argmax(-1)
        wrong = (chosen != episodes.target)[episodes.target >= 0]
        found[name] = wrong.float().mean().item()
    examinee.train()
    return found


def loss(examinee: Examinee, episodes: Episodes, *, lesson: Lesson, step: int) -> Tensor:
    """Cross-entropy of the answers, and of the reads where the right slots are known."""
    due = episodes.target >= 0

    def cost(view: View) -> Tensor:
        logits = examinee.logits(view, episodes).flatten(0, 2)
        wrong = functional.cross_entropy(
            logits, episodes.target.flatten(), ignore_index=-1, reduction="none"
        )
        return wrong.view(*view.user.shape[:2], -1).sum(-1)

    along = examinee.remembered(episodes)
    written = examinee.question == "written"
    told = support_of(along.slots, episodes, asks=examinee.asks, written=written)
    view, paid = lesson.teaching(examinee.output, along, support=told, cost=cost, step=step)
    total = paid.sum() / due.sum()
    if lesson.supervise:
        total = total + lesson.supervise * _unread(view, told)
    return total


def support_of(
    slots: Slots, episodes: Episodes, *, asks: bool, written: bool
) -> Int[Tensor, "row position hop"] | None:
    """The slot that each hop should read where an answer is due; -1 where that is not known.

    None where the slots are no events. A question that is written is an event, too.
    """
    if not bool(slots.item.any()):
        return None
    events = _copied(episodes.events, episodes.questions)
    place = episodes.support[:, None].expand(-1, events.item.shape[1], -1)
    if asks:
        age = age_of(place, events)[:, -1:]
        return slots_of_age(torch.where(age >= 0, age + written, age), slots=slots)
    due = (episodes.target >= 0).any(-1, keepdim=True)
    return slots_of_age(age_of(torch.where(due, place, -1), events), slots=slots)


def _copied(stories: State, times: int) -> State:
    """Each story so often, its copies one after the other."""
    return type(stories)(*(field.repeat_interleave(times, dim=0) for field in stories))


def _unread(view: View, told: Tensor | None) -> Tensor:
    if told is None:
        message = (
            "lesson.supervise needs a memory whose slots are events: set memory=key_value or "
            "memory=igor, or lesson.supervise=0"
        )
        raise ConfigError(message)
    return unread(view.hops, told)


def _pace(lesson: Lesson, step: int) -> float:
    """The share of the learning rate that a step has."""
    if step < lesson.gentle_steps:
        return 0.5
    return 0.5 ** ((step - lesson.gentle_steps) // lesson.halve_every if lesson.halve_every else 0)


def _teach(
    examinee: Examinee,
    episodes: Episodes,
    *,
    lesson: Lesson,
    updates: torch.optim.Optimizer,
    step: int,
) -> None:
    updates.zero_grad()
    loss(examinee, episodes, lesson=lesson, step=step).backward()
    nn.utils.clip_grad_norm_(examinee.parameters(), lesson.clip)
    updates.step()
