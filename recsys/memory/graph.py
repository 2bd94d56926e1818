"""Graph memory: a history is a walk over items, and what a slot says has come along the walk.

Memory cells as nodes (Pham et al. 2018) with the gated propagation of SR-GNN (Wu et al. 2019,
section 3.2). The event log is the state; the graph is built when it is read, at every position
from the events before it alone, so that no edge tells of the future.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from recsys.data.batches import Events
from recsys.memory.contract import Encode, Look, Memory, Slots, Table
from recsys.memory.log import GROWS, LogState, Past, Seen, append, empty_log, grown, now, seen

AT_ONCE = 2**24  # numbers in one tensor of node states; more are computed in turns when training


class Graph(Memory[LogState]):
    """Nodes are the distinct items of the newest ``slots`` events, edges their succession.

    A slot is an event and shows the state of its item's node, so an item had k times speaks k
    times, which is one slot with the logarithm of k on its logit. A node starts as the mean of its
    events as I sees them. Each of the ``propagations`` it hears the mean of its successors and the
    mean of its predecessors, one share for each time an edge was walked (the row-normalised
    adjacency matrices), and a gate decides how much of that replaces what it was.
    """

    remembers = True
    grows = GROWS

    def __init__(self, *, table: Table, width: int, slots: int, propagations: int) -> None:
        super().__init__()
        self.capacity, self.propagations = slots, propagations
        self.heard = nn.Linear(2 * width, 3 * width)
        self.gates = nn.Linear(width, 2 * width, bias=False)
        self.recalled = nn.Linear(width, width, bias=False)

    def initial_state(self, users: int) -> LogState:
        return empty_log(users, device=self.heard.weight.device)

    def write(self, state: LogState, events: Events, encode: Encode) -> LogState:
        return grown(state, events, slots=self.capacity)

    def look(self, state: LogState, encode: Encode) -> Look:
        return self._look(now(state), encode)

    def along(self, state: LogState, events: Events, encode: Encode) -> Look:
        log = append(state, events)
        rank = log.present.long().cumsum(dim=1)
        place = rank[:, state.item.shape[1] :]  # of the newest event, once the log is closed up
        return self._look(Past(_closed_up(log, rank=rank), newest=place), encode)

    def _look(self, past: Past, encode: Encode) -> Look:
        """The log as slots, each position a row of its own; present events must be neighbours."""
        log = past.log
        there = seen(log, newest=past.newest, slots=self.capacity)
        nodes = self._nodes(encode(log), log.item, there).flatten(0, 1)
        filled, age, gap_seconds = (field.flatten(0, 1)[:, None] for field in there)
        item = log.item[:, None].expand_as(there.age).flatten(0, 1)
        bias = torch.zeros_like(age, dtype=nodes.dtype)
        slots = Slots(nodes, nodes, bias, filled, age, gap_seconds, item)
        newest = past.newest.reshape(-1, 1, 1).expand(-1, -1, nodes.shape[2])
        return Look(slots=slots, context=nodes.gather(1, newest))

    def _nodes(
        self, vectors: Float[Tensor, "user slot width"], item: Int[Tensor, "user slot"], there: Seen
    ) -> Float[Tensor, "user position slot width"]:
        """Node states at all positions; where they are many, some users at a time, twice.

        Training would have to keep every step of every propagation, so what is not kept is
        computed again on the way back.
        """
        numbers = there.age.shape[1] * vectors[0].numel()
        if not torch.is_grad_enabled() or numbers * vectors.shape[0] <= AT_ONCE:
            return self._propagated(vectors, item, there.filled, there.age)
        users = max(AT_ONCE // numbers, 1)
        parts = (field.split(users) for field in (vectors, item, there.filled, there.age))
        nodes = [
            checkpoint(self._propagated, *part, use_reentrant=False)
            for part in zip(*parts, strict=True)
        ]
        return torch.cat(nodes)

    def _propagated(
        self,
        vectors: Float[Tensor, "user slot width"],
        item: Int[Tensor, "user slot"],
        filled: Bool[Tensor, "user position slot"],
        age: Int[Tensor, "user position slot"],
    ) -> Float[Tensor, "user position slot width"]:
        nothing = torch.zeros_like(item[:, :1])
        same = _equal(item, item)
        follows = _equal(
            item, torch.cat([nothing, item[:, :-1]], dim=1)
        )  # the event before is mine
        precedes = _equal(item, torch.cat([item[:, 1:], nothing], dim=1))
        nodes = _mean(same, vectors[:, :, None].expand(-1, -1, filled.shape[1], -1), among=filled)
        for _ in range(self.propagations):
            successors = _mean(follows, nodes, among=filled & (age < self.capacity - 1))
            predecessors = _mean(precedes, nodes, among=filled & (age > 0))
            nodes = self._heard(nodes, torch.cat([successors, predecessors], dim=-1))
        return (nodes * (item != 0)[..., None, None]).transpose(1, 2)

    def _heard(
        self,
        nodes: Float[Tensor, "user slot position width"],
        message: Float[Tensor, "user slot position twice"],
    ) -> Float[Tensor, "user slot position width"]:
        """SR-GNN, equations 2 to 5: z = update, r = reset, and 1 - z keeps what the node was."""
        update, reset, new = self.heard(message).chunk(3, dim=-1)
        from_update, from_reset = self.gates(nodes).chunk(2, dim=-1)
        update, reset = (update + from_update).sigmoid(), (reset + from_reset).sigmoid()
        new = (new + self.recalled(reset * nodes)).tanh()
        return (1 - update) * nodes + update * new


def _closed_up(log: Events, *, rank: Int[Tensor, "user event"]) -> Events:
    """The log with its present events side by side behind one empty place."""
    place = torch.where(log.present, rank, 0)
    item, time, behaviour = (
        torch.zeros_like(torch.cat([field[:, :1], field], dim=1)).scatter(1, place, field)
        for field in log[:3]
    )
    return Events(item, time, behaviour, present=item != 0)


def _equal(
    item: Int[Tensor, "user slot"], other: Int[Tensor, "user slot"]
) -> Bool[Tensor, "user slot slot"]:
    return item[:, :, None] == other[:, None, :]


def _mean(
    linked: Bool[Tensor, "user slot slot"],
    nodes: Float[Tensor, "user slot position width"],
    *,
    among: Bool[Tensor, "user position slot"],
) -> Float[Tensor, "user slot position width"]:
    """For each slot the mean of those it is linked to, among these; zero where there is none."""
    there, shares = among.transpose(1, 2).to(nodes.dtype), linked.to(nodes.dtype)
    total = shares @ (nodes * there[..., None]).flatten(2)
    count = (shares @ there).clamp(min=1)
    return total.unflatten(2, nodes.shape[2:]) / count[..., None]
