"""Worlds whose right answer is provable, and the short training that must find it."""

import logging
import warnings

import lightning
import numpy as np
from hydra.utils import instantiate

from recsys.data.datamodule import HistoryData
from recsys.data.split import UserHoldout
from recsys.evaluation.protocol import evaluate
from recsys.fitting import make_objective
from recsys.run import TrainedScorer, assemble
from recsys.system import RecommenderSystem
from tests.contract.parts import config
from tests.evaluation.tiny import checkerboard, prepared

__all__ = ["checkerboard", "fit", "hit_rate", "noise", "recall", "returns", "successor", "trained"]

LAST_EVENT = UserHoldout(valid=0.1, test=0.2, holdout=0.001, seed=0)


def successor(*, items, events, users, seed=0):
    """Every item has one successor, all of them in one circle; a user walks from any place.

    The last item alone tells the next one. All items are equally popular.
    """
    draw = np.random.default_rng(seed)
    circle = draw.permutation(items) + 1
    starts = draw.integers(items, size=users)
    return prepared([np.roll(circle, -start)[:events] for start in starts], items=items)


def recall(*, markers, distractors, noise, users, seed=0):
    """A marker, then distractors, a question, and the answer that belongs to the marker.

    Items are in this order: markers, their answers, the question, ``noise`` distractors. Only the
    first event tells the answer. The last event is always the question, and distractors are drawn
    without regard to the marker: whoever has forgotten it cannot do better than to guess one
    answer for everybody. Held-out users are asked for the answer.
    """
    draw = np.random.default_rng(seed)
    question = 2 * markers + 1
    histories = [
        [marker, *(question + draw.integers(1, noise + 1, distractors)), question, marker + markers]
        for marker in 1 + draw.permutation(users) % markers
    ]
    return prepared(histories, items=question + noise, splitter=LAST_EVENT)


def returns(*, favourites, distractors, noise, users, seed=0):
    """A favourite somewhere among distractors, then a bell, then the favourite again.

    Nothing else comes twice, so the only event that speaks for an item after the bell is known.
    Items are in this order: favourites, the bell, ``noise`` distractors.
    """
    draw = np.random.default_rng(seed)
    histories = []
    for favourite in 1 + draw.permutation(users) % favourites:
        story = list(favourites + 2 + draw.permutation(noise)[:distractors])
        story.insert(draw.integers(distractors + 1), favourite)
        histories.append([*story, favourites + 1, favourite])
    return prepared(histories, items=favourites + 1 + noise, splitter=LAST_EVENT)


def noise(*, items, events, users, seed=0):
    """Items drawn one by one, independently and uniformly: nothing can be known of the next."""
    draw = np.random.default_rng(seed)
    return prepared(list(draw.integers(1, items + 1, (users, events))), items=items)


def trained(world, *overrides, epochs, batch_size=16, rate=0.01, seed=0):
    """The system after so many epochs on the training part of a world."""
    settings = ("loss=full_softmax", *overrides, f"seed={seed}", f"batch_size={batch_size}")
    cfg = config(*settings, "trainer.accelerator=cpu", f"trainer.max_epochs={epochs}")
    system = RecommenderSystem(
        model=assemble(cfg, prepared=world),
        objective=make_objective(cfg, prepared=world),
        optimizer=instantiate(cfg.optimizer, lr=rate),
        items=world.items,
        k=1,
        seed=seed,
    )
    data = HistoryData(
        prepared=world,
        history=cfg.slots,
        batch_size=batch_size,
        validation_batch_size=100,
        validation_users=1,
        half_life=float("inf"),
        seed=seed,
    )
    _run(cfg, system, data)
    return system


def fit(world, *overrides, **settings):
    """A model after so many epochs, as the evaluation sees it."""
    system = trained(world, *overrides, **settings)
    history = config(*overrides).slots
    return TrainedScorer(system.model.eval(), history=history, items=world.items)


def hit_rate(scorer, world, *, seen="exclude"):
    """Share of the test users whose one truth is listed first."""
    report = evaluate(scorer, world, part="test", ks=(1,), seen=seen, batch_size=100)
    return report.summary["hit_rate@1"]


def _run(cfg, system, data):
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints of Lightning about workers and short epochs
        trainer = lightning.Trainer(
            **cfg.trainer,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            limit_val_batches=0,
        )
        trainer.fit(system, data)
