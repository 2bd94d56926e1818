"""One slot of forty is picked, nobody tells which: the reward of the answer alone must teach it."""

import time
from typing import NamedTuple

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.nn.functional import cross_entropy

from recsys.config import CONF
from recsys.output.picks import reinforced
from recsys.probe import prepare_examinee

SETTINGS = ("task=recall", "memory=key_action", "output=hard_read", "output.hops=1")
SIZES = ("slots=40", "width=64")
SAMPLES, BATCH, EXAM, CHECK = 4, 256, 1000, 50


class Sat(NamedTuple):
    """Shares of an exam."""

    answered: float
    picked: float  # the slot that holds the answer

    @property
    def passes(self):
        return self.answered >= 0.97 and self.picked >= 0.95


class Student:
    """The recommender's own modules, taught by what their picks earn."""

    def __init__(self, *, seed):
        with initialize_config_dir(CONF, version_base=None):
            cfg = compose("probe", [*SETTINGS, *SIZES, f"seed={seed}"])
        cfg = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))
        torch.manual_seed(seed)
        self.task = instantiate(cfg.task)
        self.modules = prepare_examinee(cfg, task=self.task)
        self.updates = torch.optim.Adam(self.modules.parameters(), lr=0.01)

    def seen(self, told):
        """What can be picked, and the question."""
        encode, memory = self.modules.input, self.modules.memory
        start = memory.initial_state(len(told.target))
        alone = memory.write(start, told.question, encode)
        slots = memory.look(memory.write(start, told.events, encode), encode).slots
        return slots, memory.look(alone, encode).context

    def logits(self, view):
        answers = self.modules.response.answers(self.modules.option)
        return view.user[:, 0] @ answers.user.T + answers.bias

    def step(self, told, *, bonus, chosen):
        """One update; without ``chosen`` the picks are not taught, only what follows them."""
        target, (slots, context) = told.target[:, 0, 0], self.seen(told)

        def cost(view):
            return cross_entropy(self.logits(view), target, reduction="none")[:, None]

        if chosen:
            paid = reinforced(
                self.modules.output, slots, context, cost=cost, samples=SAMPLES, bonus=bonus
            ).loss
        else:
            paid = cost(self.modules.output.draw(slots, context).view)
        self.updates.zero_grad()
        paid.mean().backward()
        self.updates.step()

    @torch.no_grad()
    def sit(self, told):
        """Picks the heaviest slot, as when it is served."""
        self.modules.eval()
        view = self.modules.output.look(*self.seen(told))
        self.modules.train()
        slot = told.support[:, 0] + view.hops.shape[-1] - told.events.item.shape[1]
        right = self.logits(view).argmax(-1) == told.target[:, 0, 0]
        picked = view.hops[:, 0, 0].argmax(-1) == slot
        return Sat(right.float().mean().item(), picked.float().mean().item())


def taught(*, seed, within, chosen=True):
    """The exam of a student after at most this many CPU seconds."""
    student = Student(seed=seed)
    lessons, rehearsing, sitting = (torch.Generator().manual_seed(3 * seed + k) for k in range(3))
    rehearsal = student.task.draw(EXAM, rehearsing)
    began, step = time.process_time(), 0
    while time.process_time() - began < within:
        step += 1
        bonus = max(0.01 * 0.999**step, 0.002)
        student.step(student.task.draw(BATCH, lessons), bonus=bonus, chosen=chosen)
        if step % CHECK == 0:
            sat = student.sit(rehearsal)
            if sat.answered >= 0.98 and sat.picked >= 0.97:
                break
    return student.sit(student.task.draw(EXAM, sitting))


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_the_reward_teaches_which_slot_to_pick():
    for seed in (0, 1):
        sat = taught(seed=seed, within=40)
        if sat.passes:
            break
    assert sat.answered >= 0.97
    assert sat.picked >= 0.95


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_without_the_reward_of_the_picks_nothing_is_found():
    sat = taught(seed=0, within=10, chosen=False)
    assert sat.answered <= 0.40
    assert sat.picked <= 0.10
