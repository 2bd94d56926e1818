"""One event after another: how a memory that rewrites its state goes through a history.

Training runs a Python loop over the cell; an ONNX graph of any length needs the scan operator,
which is slow in training (2 to 10 times) and exact in both.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor
from torch._higher_order_ops.scan import scan

from recsys.memory.contract import State

Step = Callable[..., State]  # (state, *inputs of one event) -> the next state


def after_all(
    step: Step[State], state: State, *inputs: Tensor, present: Bool[Tensor, "user event"]
) -> State:
    """The state after these events, oldest first.

    Args:
        step: Writes one event a user; never called for padding alone, never sees ``present``.
        state: Before the first event.
        inputs: What the step is given of each event, ``[user, event, ...]``.
        present: Where there is an event; others leave the state as it is.
    """
    if torch.onnx.is_in_onnx_export():
        return _scanned(step, state, inputs, present=present)
    for *event, there in zip(
        *(field.unbind(1) for field in inputs), present.unbind(1), strict=True
    ):
        state = _kept(step, state, event, present=there)
    return state


def after_each(
    step: Step[State], state: State, *inputs: Tensor, present: Bool[Tensor, "user event"]
) -> State:
    """The states after every event, a row for each: user by user, oldest first.

    After an event that is not present it is the state before it.
    """
    states = []
    for *event, there in zip(
        *(field.unbind(1) for field in inputs), present.unbind(1), strict=True
    ):
        state = _kept(step, state, event, present=there)
        states.append(state)
    rows = (torch.stack(fields, dim=1).flatten(0, 1) for fields in zip(*states, strict=True))
    return _like(state, rows)


def _kept(step: Step[State], state: State, event: Sequence[Tensor], *, present: Tensor) -> State:
    """The next state of the users who had an event, the old one of the others."""
    pairs = zip(step(state, *event), state, strict=True)
    return _like(state, (torch.where(_wide(present, new), new, old) for new, old in pairs))


def _scanned(
    step: Step[State], state: State, inputs: Sequence[Tensor], *, present: Tensor
) -> State:
    """The same as one ONNX node of any length."""

    def write(fields: tuple[Tensor, ...], event: tuple[Tensor, ...]) -> tuple[Any, Tensor]:
        after = _kept(step, _like(state, fields), event[:-1], present=event[-1])
        return tuple(field.clone() for field in after), event[-1].clone()

    by_event = tuple(field.transpose(0, 1).contiguous() for field in (*inputs, present))
    begin = tuple(field.contiguous() for field in state)
    return _like(state, scan(write, begin, by_event)[0])


def _like(state: State, fields: Any) -> State:  # noqa: ANN401 - any iterable of tensors
    return type(state)(*fields)


def _wide(present: Tensor, field: Tensor) -> Tensor:
    return present.reshape(-1, *(1,) * (field.dim() - 1))
