"""Soft attention of SR-GNN, slot by slot."""

import numpy as np
import torch

from recsys.output.session_readout import SessionReadout
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CONTEXT, _, _ = asked()


def reader():
    torch.manual_seed(0)
    return SessionReadout(width=WIDTH).double()


def test_the_users_vector_equals_equations_6_and_7_by_hand():
    read, world = reader(), slots()
    with torch.no_grad():
        user = read.look(world, CONTEXT).user.numpy()
    look = {name: value.detach().numpy() for name, value in read.named_parameters()}
    keys, values = world.keys.numpy(), world.values.numpy()
    for row, position in np.ndindex(ROWS, POSITIONS):
        present, total = CONTEXT[row, position].numpy(), np.zeros(WIDTH)
        for place in range(SLOTS):
            if not world.filled[row, position, place]:
                continue
            inside = look["present.weight"] @ present + look["present.bias"]
            inside = inside + look["slot.weight"] @ keys[row, place]
            weight = look["weight.weight"][0] @ (1 / (1 + np.exp(-inside)))
            times = np.exp(world.bias[row, position, place].item())
            total += weight * times * values[row, place]
        expected = look["joined.weight"] @ np.concatenate([present, total])
        np.testing.assert_allclose(user[row, position], expected, atol=1e-10)


def test_nothing_to_read_leaves_the_present_alone():
    read, world = reader(), slots()
    user = read.look(world, CONTEXT).user[0, -1]  # sees no slot
    alone = read.joined.weight[:, :WIDTH] @ CONTEXT[0, -1]
    torch.testing.assert_close(user, alone)
