"""Random slots to read, several rows and positions of them; sizes all differ."""

import torch

from recsys.memory.contract import Slots
from recsys.output.asking import STRONGEST
from recsys.output.candidate_read import CandidateRead

ROWS, POSITIONS, SLOTS, WIDTH, HEADS, CANDIDATES = 3, 4, 5, 12, 2, 7


def slots(*, seed=0, dtype=torch.float64, rows=ROWS, positions=POSITIONS, scale=1.0):
    """The last position of the first row sees no slot at all."""
    draw = torch.Generator().manual_seed(seed)
    place = (rows, positions, SLOTS)
    filled = torch.rand(place, generator=draw) < 0.7
    filled[:, :, 0], filled[0, -1] = True, False
    return Slots(
        keys=normal(rows, SLOTS, WIDTH, draw=draw, dtype=dtype) * scale,
        values=normal(rows, SLOTS, WIDTH, draw=draw, dtype=dtype),
        bias=normal(*place, draw=draw, dtype=dtype),
        filled=filled,
        age=torch.randint(0, SLOTS, place, generator=draw),
        gap_seconds=torch.randint(0, 10**6, place, generator=draw),
        item=torch.randint(1, 9, (rows, SLOTS), generator=draw),
    )


def reader(*, strength=8.0, gain=2.0, address="both", hops=0, seed=0, dtype=torch.float64):
    """A read in which no parameter is still where it starts, but the strength is this one."""
    torch.manual_seed(seed)
    read = CandidateRead(
        width=WIDTH,
        slots=SLOTS,
        heads=HEADS,
        hops=hops,
        dropout=0.0,
        address=address,
        strength=strength,
        gain=gain,
    )
    with torch.no_grad():
        for name, parameter in read.named_parameters():
            if name != "strength":
                parameter.add_(0.3 * torch.randn_like(parameter))
    return read.to(dtype).eval()


def asked(*, seed=1, dtype=torch.float64, rows=ROWS, positions=POSITIONS):
    """Context, queries and answers."""
    draw = torch.Generator().manual_seed(seed)
    return (
        normal(rows, positions, WIDTH, draw=draw, dtype=dtype),
        normal(CANDIDATES, WIDTH, draw=draw, dtype=dtype),
        normal(CANDIDATES, WIDTH, draw=draw, dtype=dtype),
    )


def strengths(read):
    """The strength of each head's address."""
    return STRONGEST / (1 + (-read.strength).exp())


def normal(*shape, draw, dtype):
    return torch.randn(shape, generator=draw, dtype=dtype)
