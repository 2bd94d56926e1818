"""Every memory of the configuration, built small; sizes all differ so that no swap can pass."""

from functools import cache

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from recsys.config import CONF

ITEMS, BEHAVIOURS, USERS, EVENTS, SLOTS, WIDTH = 11, 2, 3, 7, 5, 8
SETTINGS = ["data=none", "run=none", f"width={WIDTH}", f"slots={SLOTS}", "dropout=0.0", "heads=2"]


@cache
def config(*overrides):
    """The training configuration with small sizes and these overrides."""
    with initialize_config_dir(CONF, version_base=None):
        cfg = compose("train", [*SETTINGS, *overrides])
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))


def recommender(*overrides, seed=1):
    """A MemoryRecommender of this configuration, in evaluation mode."""
    from hydra.utils import instantiate

    from recsys.model import MemoryRecommender

    torch.manual_seed(seed)
    cfg = config(*overrides)
    output = instantiate(cfg.output)
    model = MemoryRecommender(
        input=instantiate(cfg.input, items=ITEMS, behaviours=BEHAVIOURS),
        memory=instantiate(cfg.memory, items=ITEMS),
        output=output,
        response=instantiate(cfg.response, items=ITEMS, slot_width=output.slot_width),
    )
    with torch.no_grad():  # what starts at zero would hide itself from every test
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


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
