"""A memory sits an exam: the recommender's own modules learn a task whose right answers are known.

The options are the catalogue: each has a row in R's table, and its score is the user's vector times
that row plus what the memory says of it when the question asks.
"""

import copy
import logging
import time
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recsys.data.batches import Events
from recsys.input.event import EventInput
from recsys.memory.contract import Memory
from recsys.output.contract import Output, View
from recsys.response.dot import Dot
from recsys.task.contract import Episodes, Task

logger = logging.getLogger(__name__)
Optimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
FAINTEST = 1e-9  # a read weight's floor inside a logarithm


class Answered(NamedTuple):
    """What an examinee says."""

    logits: Float[Tensor, "user position part option"]
    view: View


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

    def forward(self, episodes: Episodes) -> Answered:
        """Logits of the options of each part, at the question or after every event."""
        view = self._asked(episodes) if self.asks else self._along(episodes.events)
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
        return Answered(scores.unflatten(-1, (self.parts, self.options)), view)

    def _asked(self, episodes: Episodes) -> View:
        start = self.memory.initial_state(episodes.events.item.shape[0])
        state = self.memory.write(start, episodes.events, self.input)
        if self.question == "written":
            state = self.memory.write(state, episodes.question, self.input)
            return self.output.look(*self.memory.look(state, self.input))
        alone = self.memory.write(start, episodes.question, self.input)
        asked = self.memory.look(alone, self.input).context
        return self.output.look(self.memory.look(state, self.input).slots, asked)

    def _along(self, events: Events) -> View:
        start = self.memory.initial_state(events.item.shape[0])
        return self.output.look(*self.memory.along(start, events, self.input))


class Lesson(NamedTuple):
    """How an examinee is taught.

    Attributes:
        supervise: Weight of the loss on which slot each hop should read, where the task knows.
        steps: Most steps.
        cpu_seconds: Most CPU time of this process.
        goal: Share of wrong answers in the worst rehearsal at which training stops.
        check_every: Steps between rehearsals.
        halve_every: Steps after which the learning rate is halved; 0 for never.
        clip: Largest norm of the gradient.
    """

    batch_size: int
    supervise: float
    steps: int
    cpu_seconds: float
    goal: float
    check_every: int
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
    began = time.process_time()
    best, kept, step = float("inf"), copy.deepcopy(examinee.state_dict()), 0
    while step < lesson.steps and best > lesson.goal:
        step += 1
        _teach(examinee, task.draw(lesson.batch_size, draws), lesson=lesson, updates=updates)
        if lesson.halve_every and step % lesson.halve_every == 0:
            for group in updates.param_groups:
                group["lr"] /= 2
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
        chosen = examinee(episodes).logits.argmax(-1)
        wrong = (chosen != episodes.target)[episodes.target >= 0]
        found[name] = wrong.float().mean().item()
    examinee.train()
    return found


def loss(examinee: Examinee, episodes: Episodes, *, supervise: float) -> Tensor:
    """Cross-entropy of the answers, and of the reads where the right slots are known."""
    logits, view = examinee(episodes)
    asked = episodes.target >= 0
    total = functional.cross_entropy(logits[asked], episodes.target[asked])
    if supervise:
        total = total + supervise * read_support(view, episodes)
    return total


def read_support(view: View, episodes: Episodes) -> Tensor:
    """Mean negative log weight of the slots that the hops should have read; 0 if none is known.

    Slots of a log stand in the order of their events, at the end of their row.
    """
    hops = min(view.hops.shape[1], episodes.support.shape[1])
    slots = view.hops.shape[-1]
    place = episodes.support[:, :hops]
    slot = place + slots - episodes.events.item.shape[1]
    known = (place >= 0) & (slot >= 0)  # a log may have forgotten the event
    weight = view.hops[:, :hops, 0].gather(2, slot.clamp(min=0)[..., None])[..., 0]
    lost = -weight.clamp(min=FAINTEST).log()
    return (lost * known).sum() / known.sum().clamp(min=1)


def _teach(
    examinee: Examinee, episodes: Episodes, *, lesson: Lesson, updates: torch.optim.Optimizer
) -> None:
    updates.zero_grad()
    loss(examinee, episodes, supervise=lesson.supervise).backward()
    nn.utils.clip_grad_norm_(examinee.parameters(), lesson.clip)
    updates.step()
