"""Every memory of the configuration, built small; sizes all differ so that no swap can pass."""

from functools import cache, partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from recsys.config import CONF

ITEMS, BEHAVIOURS, USERS, EVENTS, SLOTS, WIDTH = 11, 2, 3, 7, 5, 8
SETTINGS = ["data=none", "run=none", f"width={WIDTH}", f"slots={SLOTS}", "dropout=0.0", "heads=2"]


MEMORIES = sorted(file.stem for file in (Path(CONF) / "memory").glob("*.yaml"))
OUTPUTS = sorted(file.stem for file in (Path(CONF) / "output").glob("*.yaml"))
SHARED = {"candidate_read", "context_read"}  # outputs that must read every memory
TYPICAL = {"key_value", "gru"}  # an appending and a rewriting memory, which every output must read


@cache
def config(*overrides):
    """The training configuration with small sizes and these overrides."""
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("train", [*SETTINGS, *overrides])
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))


def recommender(*overrides, seed=1):
    """A MemoryRecommender of this configuration, in evaluation mode."""
    from hydra.utils import instantiate

    from recsys.input.table import own_rows
    from recsys.model import MemoryRecommender

    table = partial(own_rows, items=ITEMS)
    torch.manual_seed(seed)
    cfg = config(*overrides)
    output = instantiate(cfg.output)
    input = instantiate(cfg.input, table=table, behaviours=BEHAVIOURS)
    model = MemoryRecommender(
        input=input,
        memory=instantiate(cfg.memory, table=table),
        output=output,
        response=instantiate(
            cfg.response, items=ITEMS, slot_width=output.slot_width, known=input.known
        ),
    )
    with torch.no_grad():  # what starts at zero would hide itself from every test
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def default_output(memory):
    """The output that a memory asks for."""
    return config(f"memory={memory}").output._target_.split(".")[-2]


def pairs():
    """Memories with the outputs they are tried with."""
    return [
        (memory, output)
        for memory in MEMORIES
        for output in OUTPUTS
        if output in SHARED or memory in TYPICAL or output == default_output(memory)
    ]


def histories(*, users=USERS, events=EVENTS, seed=2, absent=0.3):
    """Random events, some of them absent anywhere in a row; the last user has none at all."""
    from recsys.data.batches import Events

    draw = torch.Generator().manual_seed(seed)
    present = torch.rand(users, events, generator=draw) >= absent
    if users > 1:
        present[-1] = False
    item = torch.randint(1, ITEMS + 1, (users, events), generator=draw) * present
    gaps = torch.randint(0, 90_000, (users, events), generator=draw)
    behaviour = torch.randint(0, BEHAVIOURS + 1, (users, events), generator=draw) * present
    return Events(item, gaps.cumsum(1) * present, behaviour, present)


def part(events, which):
    """Some of the events' columns (a slice) or rows (a list)."""
    from recsys.data.batches import Events

    if isinstance(which, slice):
        return Events(*(field[:, which] for field in events))
    return Events(*(field[which] for field in events))
