"""Lightning's door to the model: one training step, one validation step, nothing else."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import lightning
import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.auxiliary.disturbance import Disturbance, without_dot
from recsys.auxiliary.read_support import labelled
from recsys.data.batches import Events, Question, Window
from recsys.data.support import Support
from recsys.evaluation.protocol import listable
from recsys.loss.contract import Loss, Negatives
from recsys.metrics.lists import top_k
from recsys.metrics.running import RankingMetrics
from recsys.model import MemoryRecommender
from recsys.output.contract import View
from recsys.teaching.contract import Teaching

Optimizer = Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]


class Objective(NamedTuple):
    """What a training step asks of the model, and how."""

    loss: Loss
    auxiliaries: Mapping[str, Auxiliary]
    disturbance: Disturbance
    teaching: Teaching
    support: Support | None  # labels of what to read


class RecommenderSystem(lightning.LightningModule):
    """Trains at every position of a window and validates on the whole catalogue.

    A step depends on the seed, its number and the weights alone: negatives and dropout are drawn
    from them, so a resumed training repeats an uninterrupted one, and the loss is the mean over
    the targets of all devices, so several devices repeat one.
    """

    def __init__(
        self,
        *,
        model: MemoryRecommender,
        objective: Objective,
        optimizer: Optimizer,
        items: int,
        k: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.model, self.loss = model, objective.loss
        self.auxiliaries = nn.ModuleDict(objective.auxiliaries)
        self.disturbance, self.teaching = objective.disturbance, objective.teaching
        self.support = objective.support
        self.optimizer, self.seed, self.k = optimizer, seed, k
        self.ranking = RankingMetrics((k,), items=items)
        self.register_buffer("catalogue", torch.arange(items + 1), persistent=False)

    def training_step(self, batch: Window) -> Tensor:
        """Mean loss of this device's targets, scaled to the mean over all devices."""
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)))
        draw = torch.Generator().manual_seed(hash((self.seed, self.global_step)))
        negatives = Negatives(*(field.to(self.device) for field in self.loss.draw(draw)))
        disturbed = self.disturbance(batch)
        batch, quiet = disturbed.window, self.disturbance.silences()

        def heard(view: View) -> View:
            return without_dot(view) if quiet else view

        def cost(view: View) -> Tensor:
            return self._lost(heard(view), batch.target, negatives=negatives)

        along = self.model.remembered(batch.events)
        support = labelled(self.support, disturbed, slots=along.slots)
        view, paid = self.teaching(
            self.model.output, along, support=support, cost=cost, step=self.global_step
        )
        paid = paid * batch.weight.reshape(paid.shape)
        loss = paid.sum() * self.trainer.world_size / batch.targets
        self.log(
            "train/loss",
            loss,
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            sync_dist=True,
            batch_size=max(round(batch.targets), 1),
        )
        seen = Seen(self.model, batch.events, heard(view), batch.target, disturbed.decoy, support)
        return loss + self._beside(seen)

    def _lost(
        self, view: View, target: Tensor, *, negatives: Negatives
    ) -> Float[Tensor, "row position"]:
        """The objective's loss at each position; 0 where nothing is asked."""
        target = target.reshape(view.user.shape[:2])
        positive = self.model.own_scores(view, target)
        negative = self.model.scores(view, negatives.item)
        wanted = target > 0
        accidental = target[wanted][:, None] == negatives.item
        lost = self.loss(positive[wanted], negative[wanted], negatives.log_expected, accidental)
        return torch.zeros_like(positive, dtype=lost.dtype).masked_scatter(wanted, lost)

    def _beside(self, seen: Seen) -> Tensor | float:
        """The auxiliary losses of a step; each device has its own, and gradients are averaged."""
        total: Tensor | float = 0.0
        for name, auxiliary in self.auxiliaries.items():
            cost = auxiliary(seen)
            rows = len(seen.target)
            self.log(
                f"train/{name}", cost, on_step=False, on_epoch=True, sync_dist=True, batch_size=rows
            )
            total = total + cost
        return total

    def validation_step(self, batch: Question) -> None:
        """Lists of the k best unseen items against the truth."""
        scores = self.model(batch.events, self.catalogue).float()
        self.ranking.update(top_k(listable(scores, hidden=batch.seen), self.k), batch.truth)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics over all users of all devices."""
        for name, value in self.ranking.compute().items():
            self.log(
                f"val/{name}",
                value.float(),
                prog_bar=name.startswith("ndcg"),
                sync_dist=True,
                reduce_fx="max",  # gathered already, so equal on every device
            )
        self.ranking.reset()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer of the configuration over all parameters; it decays tables alone."""
        tables = [part.weight for part in self.modules() if isinstance(part, nn.Embedding)]
        known = {id(table) for table in tables}
        rest = [parameter for parameter in self.parameters() if id(parameter) not in known]
        return self.optimizer([{"params": tables}, {"params": rest, "weight_decay": 0.0}])


@torch.no_grad()
def sizes(model: MemoryRecommender, *, events: int) -> str:
    """Parameters, and bytes of one user's state after this many events, in words."""
    item = torch.ones(1, events, dtype=torch.long)
    one = Events(item=item, time=item, behaviour=torch.zeros_like(item), present=item > 0)
    state = model.write(model.memory.initial_state(1), one)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    stored = sum(field.nbytes for field in state)
    return f"{parameters:,} parameters, at most {stored:,} bytes of state a user"
