"""Candidates a few at a time, for reads that need a number for each candidate and slot and unit."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

MOST = 2**24  # numbers held at once: 64 MB


def chunks(
    queries: Float[Tensor, "candidate width"],
    answers: Float[Tensor, "candidate slot_width"],
    *,
    each: int,
) -> Iterator[tuple[Float[Tensor, "part width"], Float[Tensor, "part slot_width"]]]:
    """Queries and answers in order, as many as fit when a candidate takes ``each`` numbers.

    An exported graph has all of them in one: it does not know how many there will be.
    """
    if torch.onnx.is_in_onnx_export():
        yield queries, answers
        return
    size = max(MOST // max(each, 1), 1)
    yield from zip(queries.split(size), answers.split(size), strict=True)
