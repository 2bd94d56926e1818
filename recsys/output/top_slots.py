"""Search, then read (SIM, Pi et al. 2020): a candidate reads only the slots that are most like it.

The general search unit keeps the slots of the largest inner product with the candidate, the exact
search unit is the candidate's read of those: of thousands of slots the faint ones cannot drown the
few that matter. The search here looks at every slot, so it is exact and saves no time; an index
over the keys would answer it as well.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recsys.memory.contract import Slots
from recsys.output.candidate_read import CandidateRead
from recsys.output.contract import Effect, Output, Reading, View
from recsys.output.hop import LOWEST


class TopSlots(Output):
    """``top`` slots by inner product of key and query as I sees them, read as candidate_read reads.

    The search has no parameter and no gradient, so an index of item vectors can answer it; equal
    slots at its edge are all read. Effects are those among the slots that were found.

    A form that chooses needs candidate x slot at every position; positions take turns, so nothing
    holds all three.
    """

    explains = True

    def __init__(
        self, *, width: int, slots: int, heads: int, hops: int, dropout: float, top: int
    ) -> None:
        super().__init__()
        self.slot_width, self.top = width, top
        self.read = CandidateRead(
            width=width,
            slots=slots,
            heads=heads,
            hops=hops,
            dropout=dropout,
            address="both",
            strength=1.0,
            gain=2.0,
        )

    def look(self, slots: Slots, context: Float[Tensor, "row position width"]) -> View:
        return self.read.look(slots, context)

    def every(
        self,
        view: View,
        queries: Float[Tensor, "candidate width"],
        answers: Float[Tensor, "candidate slot_width"],
    ) -> Reading:
        rows, positions, _ = view.slots.filled.shape
        query, answer = (part.expand(rows, -1, -1) for part in (queries, answers))
        places = (view.at(slice(place, place + 1)) for place in range(positions))
        memory = [self.each(place, query, answer) for place in places]
        return Reading(user=view.user, memory=torch.stack(memory, dim=1))

    def each(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Float[Tensor, "row candidate"]:
        return self.read.each(self._found(view, queries), queries, answers)

    def effect(
        self,
        view: View,
        queries: Float[Tensor, "row candidate width"],
        answers: Float[Tensor, "row candidate slot_width"],
    ) -> Effect:
        return self.read.effect(self._found(view, queries), queries, answers)

    def _found(self, view: View, queries: Float[Tensor, "row candidate width"]) -> View:
        """The view in which, for each candidate, only its ``top`` slots are filled."""
        match = (queries @ view.slots.keys.transpose(1, 2)).detach()
        filled = view.slots.filled.expand(match.shape)
        match = torch.where(filled, match, LOWEST)
        padded = nn.functional.pad(match, (0, self.top), value=LOWEST)  # there may be fewer slots
        least = padded.topk(self.top).values[..., -1:]
        return view._replace(slots=view.slots._replace(filled=filled & (match >= least)))
