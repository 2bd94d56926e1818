"""Centroids that are sure of what is theirs, and of like sizes (graph memory networks)."""

from jaxtyping import Float
from torch import Tensor

from recsys.auxiliary.contract import Auxiliary, Seen
from recsys.errors import ConfigError
from recsys.memory.graph_centroids import GraphCentroids, clustering_loss


class Clustering(Auxiliary):
    """Mean KL(P || C) of a step's events (Khasahmadi et al. 2020, equations 5 and 6)."""

    def __init__(self, *, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, seen: Seen) -> Float[Tensor, ""]:
        memory = seen.model.memory
        if not isinstance(memory, GraphCentroids):
            message = (
                "clustering needs a memory with centroids: set memory=graph_centroids, or leave "
                "clustering out"
            )
            raise ConfigError(message)
        shares = memory.shares(seen.model.input(seen.events))
        return self.weight * clustering_loss(shares, present=seen.events.present)
