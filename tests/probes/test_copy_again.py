"""Twenty patterns through six slots: what was said again is freed, and its slot written anew."""

from functools import cache

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from recsys.config import CONF
from recsys.memory.allocation import retention
from recsys.probe import prepare_examinee, prepare_lesson
from recsys.probing import examine
from tests.probes.solving import UNBOUNDED

SETTINGS = (
    "task=copy_again",
    "memory=dnc",
    "memory.slots=6",
    "memory.heads=1",
    "output=context_read",
    "width=16",
    "lesson.batch_size=16",
    "lesson.check_every=500",
    "lesson.steps=2250",
    f"lesson.cpu_seconds={UNBOUNDED}",
)
PASS = 0.01  # share of wrong bits

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


@cache
def taught(seed):
    """A neural computer, its task, and its errors."""
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("probe", list(SETTINGS))
    cfg = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))
    torch.manual_seed(seed)
    task = instantiate(cfg.task)
    examinee = prepare_examinee(cfg, task=task)
    lesson, optimizer = prepare_lesson(cfg), instantiate(cfg.optimizer)
    report = examine(examinee, task, lesson=lesson, optimizer=optimizer, seed=seed)
    return examinee.eval(), task, report.errors


def better_of_two():
    """The first that passes, else the second."""
    first = taught(0)
    return first if first[2]["5"] <= PASS else taught(1)


@torch.no_grad()
def kept_of_what_was_said(examinee, episodes):
    """Mean retention of the slot that each answer was read from, at the event after it."""
    memory, vectors = examinee.memory, examinee.input(episodes.events)
    said = (episodes.target[:, :, 0] >= 0).unbind(1)
    state, found = memory.initial_state(vectors.shape[0]), []
    for before, vector in zip((None, *said[:-1]), vectors.unbind(1), strict=True):
        after = memory.step(state, vector)
        if before is not None and before.all():
            told = memory._heads(memory.controller.said(after.controller))
            place = state.read_weights[:, 0].argmax(1, keepdim=True)
            found.append(retention(told.free, state.read_weights).gather(1, place))
        state = after
    return torch.cat(found).mean().item()


def test_five_copies_of_four_patterns_go_through_six_slots():
    assert better_of_two()[2]["5"] <= PASS


def test_slots_are_freed_once_they_were_read():
    examinee, task, _ = better_of_two()
    episodes = task.exams(torch.Generator().manual_seed(9))["5"]
    assert kept_of_what_was_said(examinee, episodes) < 0.5
