"""What each way of teaching reads, and where its gradient goes."""

import pytest
import torch
from hydra.utils import instantiate

from recsys.errors import ConfigError
from recsys.memory.contract import Look
from recsys.output.candidate_read import CandidateRead
from recsys.output.hard_read import HardRead
from recsys.output.picks import entropy
from recsys.teaching.alone import Alone
from recsys.teaching.reinforced import Reinforced
from recsys.teaching.told import Told
from tests.contract.parts import config
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

CONTEXT, _, ANSWERS = asked()
ALONG = Look(slots(), CONTEXT)
HOPS = 2
FIRST = torch.zeros(ROWS, POSITIONS, HOPS, dtype=torch.long)  # the first slot, for both hops


def reader(*, untold="soft"):
    """A hard read that learns."""
    torch.manual_seed(0)
    read = HardRead(width=WIDTH, slots=SLOTS, hops=HOPS, dropout=0.0, strength=4.0, untold=untold)
    return read.double().train()


def costs(view):
    """-log p(answer 1 | what was read)."""
    return -(view.user @ ANSWERS.double().T).log_softmax(-1)[..., 1]


def taught(teaching, *, output=None, support=None, step=0):
    torch.manual_seed(1)
    return teaching(output or reader(), ALONG, support=support, cost=costs, step=step)


def choosing(read):
    """Norms of the gradients of what decides the pick of each hop."""
    return [0.0 if ask.weight.grad is None else float(ask.weight.grad.norm()) for ask in read.ask]


def test_alone_the_output_reads_as_it_does():
    view, cost = taught(Alone())
    expected = reader().look(*ALONG)
    assert torch.equal(view.user, expected.user)
    assert torch.equal(cost, costs(expected))


def test_what_is_told_is_read_and_its_choice_gets_no_gradient():
    read = reader()
    view, cost = taught(Told(), output=read, support=FIRST)
    assert torch.equal(view.user, reader().look(*ALONG, told=FIRST).user)
    cost.sum().backward()
    assert choosing(read) == [0, 0]
    assert read.respond.weight.grad.norm() > 0


def test_a_hop_without_a_label_chooses_and_learns_to():
    read = reader()
    _, cost = taught(Told(), output=read, support=FIRST[..., :1])  # the second hop has none
    cost.sum().backward()
    first, second = choosing(read)
    assert first == 0
    assert second > 0


def test_labels_beyond_the_hops_are_left_out():
    many = torch.cat([FIRST, FIRST + 1], dim=-1)
    found, expected = (taught(Told(), support=labels).view for labels in (many, FIRST))
    assert torch.equal(found.user, expected.user)


def test_the_reward_of_picks_reaches_what_chooses_them():
    teaching = Reinforced(samples=4, bonus=0.0, decay=1.0, least=0.0)
    rewarded, drawn = reader(), reader()
    taught(teaching, output=rewarded).cost.sum().backward()
    torch.manual_seed(1)
    costs(drawn.draw(*ALONG).view).sum().backward()
    assert choosing(drawn) == [0, 0]  # a pick itself has no gradient
    assert min(choosing(rewarded)) > 0


def test_the_weight_of_the_entropy_falls_to_the_least():
    teaching = Reinforced(samples=2, bonus=0.5, decay=0.5, least=0.1)
    free = Reinforced(samples=2, bonus=0.0, decay=1.0, least=0.0)
    base = taught(free).cost
    torch.manual_seed(1)
    view = reader().draw(*ALONG).view  # the first hop's weights are those of every sample
    first = entropy(view.hops[:, :1])
    for step, weight in ((0, 0.5), (1, 0.25), (2, 0.125), (3, 0.1), (50, 0.1)):
        gained = (base - taught(teaching, step=step).cost) / weight
        assert (gained >= first - 1e-9).all()  # and the second hop's
        assert torch.allclose(gained, (base - taught(teaching).cost) / 0.5)


@pytest.mark.parametrize("name", ["told", "reinforced"])
def test_only_outputs_that_pick_can_be_taught_to_pick(name):
    soft = CandidateRead(
        width=WIDTH,
        slots=SLOTS,
        heads=1,
        hops=1,
        dropout=0.0,
        address="both",
        strength=1.0,
        gain=2.0,
    )
    with pytest.raises(ConfigError, match="output=hard_read"):
        taught(instantiate(config(f"teaching={name}").teaching), output=soft, support=FIRST)


def test_labels_are_asked_for():
    with pytest.raises(ConfigError, match="set support=repeated"):
        taught(Told())


def test_one_sample_is_refused():
    with pytest.raises(ConfigError, match="samples are compared with each other but are 1"):
        Reinforced(samples=1, bonus=0.0, decay=1.0, least=0.0)
