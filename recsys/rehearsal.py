"""A dress rehearsal: what would fail after hours of training fails in the first seconds."""

import copy
import logging
import tempfile
from pathlib import Path

import torch

from recsys.bundle.assembly import assemble_bundle
from recsys.data.batches import asked, question
from recsys.data.prepared import Prepared
from recsys.metrics.lists import top_k
from recsys.model import MemoryRecommender

logger = logging.getLogger(__name__)


def rehearse(model: MemoryRecommender, *, prepared: Prepared, history: int, k: int) -> None:
    """Validates two users and exports the untrained model into a folder that is then deleted.

    Raises:
        RecsysError: Whatever validation or export would have raised at the end.
    """
    untrained = copy.deepcopy(model).cpu().eval()
    asks = question(prepared, "valid", users=asked(prepared, "valid")[:2], history=history)
    with torch.inference_mode():
        scores = untrained(asks.events, torch.arange(prepared.items + 1))
    top_k(scores, k)
    with tempfile.TemporaryDirectory() as folder:
        assemble_bundle(untrained, Path(folder), prepared=prepared, history=history, facts={})
    logger.info("dry run: validation and export work")
