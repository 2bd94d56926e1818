"""The graphs of a bundle as modules: plain tensors in and out, names as in the manifest.

A state travels as the fields of the memory's NamedTuple, in their order.
"""

from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from recsys.data.batches import Events
from recsys.model import MemoryRecommender
from recsys.output.candidate_read import CandidateRead
from recsys.output.contract import View

REASONS = 3
FAINT = 0.1  # of the strongest reason; what helped less is no reason worth showing
HIDDEN = -1e9  # the score of what must not be listed; every list place at it holds item 0
Fields = tuple[Tensor, ...]


class Encode(nn.Module):
    """Padded histories, oldest event first -> state."""

    def __init__(self, model: MemoryRecommender) -> None:
        super().__init__()
        self.model = model

    def forward(self, event_item: Tensor, event_time: Tensor, event_behaviour: Tensor) -> Fields:
        """Events are int64 ``[user, event]``; item 0 is padding."""
        events = Events(event_item, event_time, event_behaviour, present=event_item != 0)
        return tuple(self.model.write(self.model.memory.initial_state(event_item.shape[0]), events))


class Write(nn.Module):
    """State and one event a user -> the next state."""

    def __init__(self, model: MemoryRecommender) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, state: Fields, event_item: Tensor, event_time: Tensor, event_behaviour: Tensor
    ) -> Fields:
        """Events are int64 ``[user]``; item 0 writes nothing."""
        event = Events(
            event_item[:, None],
            event_time[:, None],
            event_behaviour[:, None],
            present=event_item[:, None] != 0,
        )
        return tuple(self.model.write(_state(self.model, state), event))


class Score(nn.Module):
    """State and candidates of each user's own -> scores, how much each slot counted in each hop."""

    def __init__(self, model: MemoryRecommender) -> None:
        super().__init__()
        self.model = model

    def forward(self, state: Fields, candidates: Tensor) -> Fields:
        """Candidates are int64 ``[user, candidate]``; the names are those of ``told_by_score``."""
        view = self.model.look(_state(self.model, state))
        scores = self.model.own_scores(view, candidates)
        weights = (self.model.effect(view, candidates).weights,) if self.model.explains else ()
        hops = (view.hops[:, :, 0],) if view.hops.shape[1] else ()
        read = (*weights, *hops)
        return (scores, *read, *_origins(view)) if read else (scores,)


def told_by_score(model: MemoryRecommender, state: Fields) -> list[str]:
    """What ``Score`` tells of this model, in its order; ``state`` is any of its states."""
    weights = ["weights"] if model.explains else []
    hops = ["hop_weights"] if model.look(_state(model, state)).hops.shape[1] else []
    read = [*weights, *hops]
    return ["scores", *read, "slot_item", "slot_age"] if read else ["scores"]


def _origins(view: View) -> Fields:
    """Which item each slot came from, and how many events ago; 0 and -1 where a slot is empty.

    A slot can have an item before it has a value (``key_next``); it is empty until then.
    """
    filled = view.slots.filled[:, 0]
    return torch.where(filled, view.slots.item, 0), torch.where(filled, view.slots.age[:, 0], -1)


class Recommend(nn.Module):
    """State, candidates of all users, what to leave out, k -> lists with scores and reasons."""

    def __init__(self, model: MemoryRecommender, *, items: int) -> None:
        super().__init__()
        self.model, self.items = model, items

    def forward(self, state: Fields, candidates: Tensor, excluded: Tensor, k: Tensor) -> Fields:
        """Candidates int64 ``[candidate]``, excluded int64 ``[user, exclusion]``, k a scalar."""
        length = cast(int, k.item())
        torch._check(length >= 1)
        torch._check(length <= candidates.shape[0])
        view = self.model.look(_state(self.model, state))
        scores = self.model.scores(view, candidates)[:, 0]
        hidden = self._hidden(excluded, candidates)
        best, place = torch.where(hidden, HIDDEN, scores).topk(length)
        items = torch.where(best > HIDDEN / 2, candidates[place], 0)
        if not self.model.explains:
            return items, best
        effect = self.model.effect(view, items).effect
        return items, best, *_reasons(effect, view.slots.item, items)

    def _hidden(
        self, excluded: Int[Tensor, "user exclusion"], candidates: Int[Tensor, " candidate"]
    ) -> Bool[Tensor, "user candidate"]:
        nothing = torch.zeros(excluded.shape[0], self.items + 1, dtype=torch.int8)
        return nothing.scatter(1, excluded, 1)[:, candidates] > 0


def _reasons(
    effect: Float[Tensor, "user k slot"],
    past: Int[Tensor, "user slot"],
    items: Int[Tensor, "user k"],
) -> Fields:
    """The slots whose loss would cost most, best first; 0 where none helped but faintly."""
    padded = torch.nn.functional.pad(effect, (0, REASONS))  # a memory may have fewer slots
    weight, slot = padded.topk(REASONS)
    past = torch.nn.functional.pad(past, (0, REASONS))
    item = past[:, None].expand(-1, items.shape[1], -1).gather(2, slot)
    helped = (weight > 0) & (weight >= FAINT * weight[..., :1]) & (items > 0)[..., None]
    earlier = torch.ones(REASONS, REASONS, dtype=torch.bool).tril(-1)
    again = ((item[..., :, None] == item[..., None, :]) & earlier).any(-1)  # had more than once
    helped = helped & (item > 0) & ~again
    return torch.where(helped, item, 0), torch.where(helped, weight, 0.0)


class Look(nn.Module):
    """State -> the user's vector and the slots, before any candidate asks."""

    def __init__(self, model: MemoryRecommender, output: CandidateRead) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, state: Fields) -> Fields:
        """The names and shapes are those of ``Spoken``; with explanations, the slots' items."""
        view = self.model.look(_state(self.model, state))
        past = (view.slots.item,) if self.model.explains else ()
        return (view.user[:, 0], *self.output.spoken(view), *past)


class Ask(nn.Module):
    """Candidates of all users -> what they ask with and are compared with."""

    def __init__(self, model: MemoryRecommender, output: CandidateRead) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, candidates: Tensor) -> Fields:
        """Candidates are int64 ``[candidate]``."""
        answers = self.model.response.answers(candidates)
        asking = self.output.asking(self.model.input.query(candidates), answers.slot)
        codes = self.model.input.codes(candidates)
        return (answers.user, answers.bias, *asking, *(() if codes is None else (codes,)))


class Choose(nn.Module):
    """What ``Look`` gave, few candidates of each user's own, k -> lists with scores and reasons."""

    def __init__(self, model: MemoryRecommender, output: CandidateRead) -> None:
        super().__init__()
        self.model, self.ask = model, Ask(model, output)

    def forward(self, looked: Fields, candidates: Tensor, k: Tensor) -> Fields:
        """Candidates are int64 ``[user, candidate]``, rising; 0, for none, stands in front."""
        length = cast(int, k.item())
        torch._check(length >= 1)
        torch._check(length <= candidates.shape[1])
        users, few = candidates.shape
        answers, bias, *asking = self.ask(candidates.flatten())[:4]
        queries, told = (part.unflatten(0, (users, few)).transpose(1, 2) for part in asking)
        loud = looked[1][:, :, None] * (queries @ looked[2].transpose(-1, -2)).exp()
        answered = told @ looked[3].transpose(-1, -2)  # both: user head candidate slot
        memory = _read(loud, answered).sum(1)
        user = (answers.unflatten(0, (users, few)) * looked[0][:, None]).sum(-1)
        scores = user + memory + bias.unflatten(0, (users, few))
        best, place = torch.where(candidates == 0, HIDDEN, scores).topk(length)
        items = torch.where(best > HIDDEN / 2, candidates.gather(1, place), 0)
        if not self.model.explains:
            return items, best
        chosen = place[:, None, :, None].expand(-1, loud.shape[1], -1, loud.shape[3])
        effect = _effect(loud.gather(2, chosen), answered.gather(2, chosen)).sum(1)
        return items, best, *_reasons(effect, looked[4], items)


def _read(
    loud: Float[Tensor, "user head candidate slot"],
    answered: Float[Tensor, "user head candidate slot"],
) -> Float[Tensor, "user head candidate"]:
    """Mean of the answers by how loud they are; the null slot is as loud as one, and says 0."""
    return (loud * answered).sum(-1) / (1 + loud.sum(-1))


def _effect(
    loud: Float[Tensor, "user head candidate slot"],
    answered: Float[Tensor, "user head candidate slot"],
) -> Float[Tensor, "user head candidate slot"]:
    """As ``CandidateRead.effect``: the loudest slot is really left out, the others by formula."""
    weights = loud / (1 + loud.sum(-1, keepdim=True))
    read = _read(loud, answered)[..., None]
    lost = weights * (answered - read) / (1 - weights).clamp(min=0.5)
    loudest = loud.argmax(-1, keepdim=True)
    rest = _read(loud.scatter(-1, loudest, 0.0), answered)[..., None]
    return lost.scatter(-1, loudest, read - rest)


def _state(model: MemoryRecommender, fields: Fields) -> Fields:
    """The memory's own NamedTuple again."""
    return type(model.memory.initial_state(1))(*fields)
