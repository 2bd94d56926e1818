"""Everybody gets what most people took of late."""

from dataclasses import dataclass

import numpy as np
import torch

from recsys.baselines.popularity import SameForAll
from recsys.data.prepared import Prepared
from recsys.data.split import training_events
from recsys.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class RecentPopularity:
    """Score: training interactions of the item, each counting less the older it is.

    Attributes:
        half_life: Age at which an interaction counts half, as a share of the time from the first
            training interaction to the last; so it suits seconds and mere order alike. 0.1 of
            three years is 16 weeks. Where times are places in each user's own history, recent
            means late in long histories.
    """

    half_life: float

    def __post_init__(self) -> None:
        """Refuse a half-life that is not above zero."""
        if self.half_life <= 0:
            msg = f"half_life must be above 0 but is {self.half_life}: 0.1 is usual"
            raise ConfigError(msg)

    def fit(self, prepared: Prepared) -> SameForAll:
        """Sum the weights of each item's training interactions."""
        trained = training_events(prepared.split, prepared.histories)
        time, item = prepared.histories.time[trained], prepared.histories.item[trained]
        span = max(int(time.max() - time.min()), 1)
        weight = 0.5 ** ((time.max() - time) / (self.half_life * span))
        score = np.bincount(item, weights=weight, minlength=prepared.items + 1)
        return SameForAll(torch.from_numpy(score))
