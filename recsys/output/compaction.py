"""Fewer slots for the same answers: what a view costs to read is the number of its slots.

A view is what scoring needs of a user, so a smaller one makes every candidate cheaper. Merging
equal slots is exact: a common shift of their logits cancels in the softmax, so one slot with the
log of their summed exponentials speaks for all of them. Merging similar ones has a bound.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from recsys.output.candidate_read import CandidateRead
from recsys.output.contract import View
from recsys.output.hop import LOWEST, split


def merged(view: View) -> View:
    """Slots of equal key and value become one, the newest of them; every score stays the same.

    The view is a state's (one position). A user whose history never repeats keeps all slots.
    """
    slots = view.slots
    filled = slots.filled[:, 0]
    vectors = torch.cat([slots.keys, slots.values], dim=-1)
    same = (
        torch.cdist(vectors, vectors, p=float("inf"), compute_mode="donot_use_mm_for_euclid_dist")
        == 0
    )
    same = same & filled[:, None] & filled[..., None]
    later = torch.ones_like(same).triu(1)
    kept = filled & ~(same & later).any(-1)
    return _kept(_spoken_for(view, by=same), kept)


def compacted(read: CandidateRead, view: View, *, slots: int) -> View:
    """At most this many slots, merged pair by pair, always the pair whose bound is least.

    A merged slot has the mean key and value of its pair, weighted by how loudly they speak, and the
    log of their summed exponentials. Replacing a key moves its logit by at most
    strength x |difference of the unit keys|, so the read changes by at most its weight times that
    (times the spread of answers) plus its weight times the difference of the values.
    """
    while int(view.slots.filled.sum(-1).max()) > slots:
        view = _merge_least(read, view, above=slots)
    return view


def _merge_least(read: CandidateRead, view: View, *, above: int) -> View:
    """One merge for every user who has more than ``above`` slots."""
    places = view.slots.filled.shape[-1]
    cost = _bounds(read, view)
    pair = cost.flatten(1).argmin(-1)
    into, gone = pair // places, pair % places
    due = view.slots.filled[:, 0].sum(-1) > above
    lost = functional.one_hot(gone, places).bool() & due[:, None]
    gained = functional.one_hot(into, places).bool() & due[:, None]
    weight = view.logit.logsumexp(1)[:, 0]  # over heads: how loudly a slot speaks at all
    both = torch.stack([weight.gather(1, into[:, None]), weight.gather(1, gone[:, None])])
    share = both.softmax(0)[..., None]

    def mean(vectors: Tensor) -> Tensor:
        index = [place[:, None, None].expand(-1, 1, vectors.shape[-1]) for place in (into, gone)]
        one, other = (vectors.gather(1, place) for place in index)
        return torch.where(gained[..., None], one * share[0] + other * share[1], vectors)

    by = torch.diag_embed(view.slots.filled[:, 0]) | (gained[..., None] & lost[:, None])
    moved = _spoken_for(view, by=by)
    merged_slots = moved.slots._replace(keys=mean(view.slots.keys), values=mean(view.slots.values))
    return _kept(moved._replace(slots=merged_slots), view.slots.filled[:, 0] & ~lost)


def _bounds(read: CandidateRead, view: View) -> Float[Tensor, "row slot slot"]:
    """What merging each pair may change of a read, up to the length of an answer."""
    slots = view.slots
    value = split(slots.values, heads=read.heads)
    apart = torch.cdist(value, value)
    if read.address != "context":
        key = functional.normalize(split(read.key(slots.keys), heads=read.heads), dim=-1)
        spread = value.norm(dim=-1).amax(-1)[..., None, None]
        apart = apart + read.strengths[:, None, None] * torch.cdist(key, key) * spread
    weight = torch.where(slots.filled, view.logit[:, :, 0], LOWEST).softmax(-1)
    both = weight[..., None] + weight[..., None, :]
    cost = (both * apart).sum(1)
    filled = slots.filled[:, 0]
    allowed = filled[:, None] & filled[..., None]
    allowed = allowed & torch.ones_like(allowed).tril(-1)  # the newer of a pair stays
    return cost.masked_fill(~allowed, torch.inf)


def _spoken_for(view: View, *, by: Bool[Tensor, "row slot slot"]) -> View:
    """Each slot's logit becomes the log of the summed exponentials of those it speaks for."""
    loud = view.logit[..., None, :].masked_fill(~by[:, None, None], -torch.inf)
    logit = torch.where(by.any(-1)[:, None, None], loud.logsumexp(-1), view.logit)
    return view._replace(logit=logit)


def _kept(view: View, kept: Bool[Tensor, "row slot"]) -> View:
    return view._replace(slots=view.slots._replace(filled=kept[:, None]))


def packed(view: View) -> View:
    """The same view without the places that no user of the batch fills any more."""
    slots, filled = view.slots, view.slots.filled[:, 0]
    places = max(int(filled.sum(-1).max()), 1)
    order = (~filled).long().argsort(dim=-1, stable=True)[:, :places]

    def chosen(field: Tensor) -> Tensor:
        if field.dim() == 2:
            return field.gather(1, order)
        if field.shape[1] == 1 and field.shape[2] == filled.shape[1]:
            return field.gather(2, order[:, None])
        return field.gather(1, order[..., None].expand(-1, -1, field.shape[2]))

    place = order[:, None, None].expand(-1, view.logit.shape[1], 1, -1)
    fields = slots._asdict().items()
    smaller = {name: chosen(field) for name, field in fields if field is not None}
    return view._replace(slots=slots._replace(**smaller), logit=view.logit.gather(3, place))
