"""What the tensors of a bundle mean, for those who serve it from any language."""

from typing import Any, Final

from recsys.memory.contract import Memory

TENSORS: Final = {
    "event_item": "int64 [user, event], in write [user]: catalogue index, oldest first, 0 padding",
    "event_time": "int64, as event_item: seconds since 1970 UTC; an order where 'time' says so",
    "event_behaviour": "int64, as event_item: 0 for none, else place from 1 in 'behaviours'",
    "candidates": "int64: in score [user, candidate], in choose also, rising, 0 (none) in front; "
    "else [candidate], in recommend rising",
    "excluded": "int64 [user, exclusion]: catalogue indices never to list, filled up with 0",
    "k": "int64 scalar: length of the lists, 1 to the number of candidates",
    "scores": "float32: higher is better; in recommend best first, meaningless where items is 0",
    "weights": "float32 [user, candidate, slot]: read weights; with the null slot they sum to one",
    "hop_weights": "float32 [user, hop, slot]: read weights of the hops before a candidate asks; "
    "what they lack to one read nothing",
    "slot_item": "int64 [user, slot]: catalogue index of the event a slot came from; 0: nobody's",
    "slot_age": "int64 [user, slot]: events since the one that filled it, 0 the newest; -1: empty",
    "items": "int64 [user, k]: catalogue indices, best first; 0 where nothing is left",
    "because_items": "int64 [user, k, reason]: past items that raised the score most; 0 for none",
    "because_weights": "float32 [user, k, reason]: how much lower the score is without that slot",
    "user_vector": "float32 [user, width]: u; score = u y + b + sum over heads of the memory's",
    "slot_weights": "float32 [user, head, slot]: w; its part is sum(w e a) / (1 + sum(w e))",
    "slot_keys": "float32 [user, head, slot, part]: k; e = exp(k q)",
    "slot_values": "float32 [user, head, slot, part]: v; a = v z",
    "user_answers": "float32 [candidate, width]: y",
    "biases": "float32 [candidate]: b",
    "slot_queries": "float32 [candidate, head, part]: q, of length one or zero",
    "slot_answers": "float32 [candidate, head, part]: z",
    "slot_codes": "int64 [candidate]: where it is the same, slot_queries are; few only where given",
}

_SLOTS: Final = "one number a slot, oldest first; empty slots (0) in front may be added or removed"
_WHOLE: Final = "known to this model alone: give it back as it was returned"


def meanings(graphs: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What goes into these graphs and comes out of them, but for the state."""
    used = {name for graph in graphs.values() for name in (*graph["inputs"], *graph["outputs"])}
    return {name: meaning for name, meaning in TENSORS.items() if name in used}


def describe(memory: Memory[Any], name: str) -> dict[str, Any]:
    """One state tensor as the manifest lists it; ``next_<name>`` of write is the same."""
    field = getattr(memory.initial_state(1), name)
    grows = name in memory.grows
    axes = ["user", "slot"] if grows else ["user", "slot", "width", "depth"][: field.dim()]
    return {
        "name": name,
        "type": str(field.dtype).removeprefix("torch."),
        "axes": axes,
        "width": None if grows else list(field.shape[1:]),
        "meaning": _SLOTS if grows else _WHOLE,
    }
