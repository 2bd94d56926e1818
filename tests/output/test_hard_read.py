"""Hard reads against plain loops, and how picks are told, drawn and paid for."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, layer_norm

from recsys.output.hard_read import HardRead
from recsys.output.hop import GAP_BUCKETS
from recsys.output.picks import entropy, log_probability, margin, reinforced
from tests.output.slots import POSITIONS, ROWS, SLOTS, WIDTH, asked, slots

HOPS = 2
SEEN = ("bias", "filled", "age", "gap_seconds")  # what differs from position to position
NAMES = ("keys", "values", *SEEN, "item", "layers")
CONTEXT, QUERIES, _ = asked()


def reader(*, hops=HOPS, untold="soft", strength=8.0):
    """A read in which no parameter is still where it starts, in evaluation."""
    torch.manual_seed(0)
    read = HardRead(
        width=WIDTH, slots=SLOTS, hops=hops, dropout=0.0, strength=strength, untold=untold
    )
    with torch.no_grad():
        for parameter in read.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return read.double().eval()


def layered(**changes):
    """Slots with a table for each hop."""
    draw = torch.Generator().manual_seed(5)
    layers = torch.randn(ROWS, HOPS, SLOTS, WIDTH, generator=draw, dtype=torch.float64)
    return slots(**changes)._replace(layers=layers)


def chances(read, world, query, *, row, position, hop, since):
    """Weight of each slot and of the null slot behind them, slot by slot."""
    logits = []
    for slot in range(SLOTS):
        if not world.filled[row, position, slot]:
            logits.append(-math.inf)
            continue
        ours = read.ask[hop].weight @ query + read.ask[hop].bias
        its = read.key[hop].weight @ world.keys[row, slot]
        logit = 20 / (1 + (-read.strength[hop]).exp()) * cosine_similarity(ours, its, dim=0)
        age = int(world.age[row, position, slot])
        gap = int(world.gap_seconds[row, position, slot])
        logit += read.bias.age[hop, age] + world.bias[row, position, slot]
        logit += read.bias.gap[hop, min((gap + 1).bit_length() - 1, GAP_BUCKETS - 1)]
        if since is not None:
            logit += read.order[hop - 1, age - since + SLOTS - 1]
        logits.append(logit.item())
    return torch.tensor([*logits, read.null[hop].item()], dtype=torch.float64).softmax(0)


def naive(read, world, context):
    """User vectors and weights of plain loops over rows, positions, hops and slots."""
    user = torch.zeros_like(context)
    weights = torch.zeros(ROWS, HOPS, POSITIONS, SLOTS, dtype=torch.float64)
    for row in range(ROWS):
        for position in range(POSITIONS):
            known, since = [context[row, position]], None
            for hop in range(HOPS):
                query = known[0] + known[1] if hop else known[0]
                chance = chances(
                    read, world, query, row=row, position=position, hop=hop, since=since
                )
                weights[row, hop, position] = chance[:-1]
                pick = int(chance.argmax())
                if pick == SLOTS:
                    since = int(world.age[row, position, world.age[row, position].argmin()])
                    known.append(torch.zeros(WIDTH, dtype=torch.float64))
                else:
                    since = int(world.age[row, position, pick])
                    known.append(world.layers[row, hop, pick])
            answer = read.respond.weight @ torch.cat(known) + read.respond.bias
            user[row, position] = layer_norm(answer, (WIDTH,), read.scale.weight, read.scale.bias)
    return user.detach(), weights.detach()


def test_evaluation_equals_loops_over_slots():
    read, world = reader(), layered()
    view, (user, weights) = read.look(world, CONTEXT), naive(reader(), layered(), CONTEXT)
    torch.testing.assert_close(view.hops, weights)
    torch.testing.assert_close(view.user, user)
    assert (weights[0, :, -1] == 0).all()  # no slot there


def test_of_equal_slots_the_most_recent_is_picked():
    read, world = reader(hops=1), layered(positions=1)
    with torch.no_grad():
        read.bias.age.zero_()
        read.bias.gap.zero_()
        read.null.fill_(-50)
    same = world.keys[:, :1].expand(-1, SLOTS, -1)
    age = torch.tensor([4, 2, 0, 3, 1]).expand(ROWS, 1, -1)
    alike = world._replace(
        keys=same, bias=0 * world.bias, age=age, filled=torch.ones_like(world.filled)
    )
    got = read.look(alike, CONTEXT[:, :1]).user
    newest = read.look(alike, CONTEXT[:, :1], told=torch.full((ROWS, 1, 1), 2)).user
    assert torch.equal(got, newest)


def test_the_null_slot_can_win_and_then_nothing_is_read():
    read, world = reader(hops=1), layered()
    with torch.no_grad():
        read.null.fill_(50)
    nothing = torch.full((ROWS, POSITIONS, 1), SLOTS)
    got = read.look(world, CONTEXT).user
    other = read.look(world._replace(layers=world.layers + 1), CONTEXT).user
    assert torch.equal(got, other)
    assert torch.equal(got, read.look(world, CONTEXT, told=nothing).user)


def test_what_is_told_is_read_whatever_its_weight():
    read, world = reader(), layered()
    told = torch.randint(0, SLOTS, (ROWS, POSITIONS, HOPS))
    user = read.look(world, CONTEXT, told=told).user
    picked = [
        world.layers[:, hop].gather(1, told[..., hop, None].expand(-1, -1, WIDTH))
        for hop in range(HOPS)
    ]
    answer = read.respond(torch.cat([CONTEXT, *picked], dim=-1))
    torch.testing.assert_close(user, read.scale(answer))


def test_the_second_hop_knows_what_the_first_was_told():
    read, world = reader(), layered()
    free = read.look(world, CONTEXT)
    untold = torch.full((ROWS, POSITIONS, HOPS), -1)
    first = untold.clone()
    first[..., 0] = 0
    forced = read.look(world, CONTEXT, told=first)
    assert torch.equal(read.look(world, CONTEXT, told=untold).user, free.user)
    assert torch.equal(forced.hops[:, 0], free.hops[:, 0])
    assert not torch.allclose(forced.hops[:, 1], free.hops[:, 1])


@pytest.mark.parametrize("untold", ["soft", "straight_through"])
def test_training_without_labels_reads_softly_or_passes_the_gradient_through(untold):
    read, world = reader(untold=untold), layered()
    hard = read.look(world, CONTEXT).user
    learning = read.train().look(world, CONTEXT).user
    assert torch.equal(learning, hard) == (untold == "straight_through")
    learning.square().mul(torch.arange(WIDTH)).sum().backward()
    assert all(ask.weight.grad.abs().sum() > 0 for ask in read.ask)


def test_draws_follow_the_weights_hop_by_hop():
    read, draws = reader(strength=2.0), 3000
    with torch.no_grad():
        read.null.fill_(-1)
    some = layered(positions=1)
    world = some._replace(**{name: getattr(some, name)[1:2] for name in NAMES})
    many = world._replace(**{name: getattr(world, name).expand(-1, draws, -1) for name in SEEN})
    torch.manual_seed(0)
    context = CONTEXT[1:2, :1].expand(-1, draws, -1)
    drawn = read.draw(many, context)
    first = drawn.view.hops[0, 0, 0]
    share = (drawn.picks[0, :, 0, None] == torch.arange(SLOTS)).double().mean(0)
    torch.testing.assert_close(share, first, atol=0.03, rtol=0)
    again = read.look(many, context, told=drawn.picks)
    assert torch.equal(again.user, drawn.view.user)
    common = drawn.picks[0, :, 0] == first.argmax()
    assert common.sum() > 500
    second = drawn.view.hops[0, 1, common][0]
    share = (drawn.picks[0, common, 1, None] == torch.arange(SLOTS)).double().mean(0)
    torch.testing.assert_close(share, second, atol=0.04, rtol=0)


def test_a_memory_with_too_few_tables_is_refused():
    world = layered()._replace(layers=layered().layers[:, :1])
    with pytest.raises(ValueError, match=r"takes 2 hops .* tables for 1: set memory.hops=2"):
        reader().look(world, CONTEXT)


def test_a_memory_without_tables_shows_its_values():
    read, world = reader(), slots()
    same = world._replace(layers=world.values[:, None].expand(-1, HOPS, -1, -1))
    assert torch.equal(read.look(world, CONTEXT).user, read.look(same, CONTEXT).user)


def test_reasons_are_refused():
    view = reader().look(slots(), CONTEXT)
    own = torch.zeros(ROWS, POSITIONS, dtype=torch.long)
    with pytest.raises(NotImplementedError, match="does not tell what each slot did"):
        reader().effect(view, QUERIES[own], QUERIES[own])


def test_the_margin_counts_slots_that_come_too_near():
    logit = torch.tensor([1.0, 0.95, 0.5, 1.2])
    weights = (logit.softmax(0) * 0.5)[None, None, None]  # half of it is the null slot's
    told = torch.tensor([[[0]]])
    expected = (0.05 + 0.3) / 2  # 0.1 - 1 + 0.95 and 0.1 - 1 + 1.2; slot 2 is far enough
    assert margin(weights, told, gamma=0.1).item() == pytest.approx(expected, abs=1e-6)
    assert margin(weights, torch.full_like(told, 3), gamma=0.1).item() == 0
    assert margin(weights, torch.full_like(told, -1), gamma=0.1).item() == 0


def test_the_chance_of_picks_is_the_product_over_hops():
    weights = torch.tensor([[[[0.5, 0.25]], [[0.125, 0.5]]]])
    picks = torch.tensor([[[1, 0]]])
    null = torch.tensor([[[0, 2]]])
    assert log_probability(weights, picks).exp().item() == pytest.approx(0.25 * 0.125)
    assert log_probability(weights, null).exp().item() == pytest.approx(0.5 * 0.375)
    bits = (0.5 + 0.25 * 4) + (0.125 * 3 + 0.5 - 0.375 * math.log2(0.375))
    assert entropy(weights).item() == pytest.approx(bits * math.log(2))


ANSWERS = torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(8), dtype=torch.float64)


def costs(view):
    """-log p(answer 1 | what was read)."""
    return -(view.user @ ANSWERS.T / WIDTH).log_softmax(-1)[..., 1]


def gradient(read, loss):
    """Of what decides the picks, as one vector; what only uses them has an ordinary gradient."""
    read.zero_grad()
    loss.backward()
    deciding = [p for name, p in read.named_parameters() if name.startswith(("ask", "key", "null"))]
    return torch.cat([parameter.grad.flatten() for parameter in deciding])


def every_pick(read, world):
    """Chance and cost of every single pick: position s picks slot s, the last the null slot."""
    positions = SLOTS + 1
    many = world._replace(**{name: getattr(world, name).expand(-1, positions, -1) for name in SEEN})
    told = torch.arange(positions)[None, :, None].expand(ROWS, -1, -1)
    view = read.look(many, CONTEXT[:, :1].expand(-1, positions, -1), told=told)
    return log_probability(view.hops, told).exp(), costs(view)


def test_reinforce_has_the_gradient_of_the_exact_marginal():
    read, world = reader(hops=1, strength=2.0), layered(positions=1)
    chance, cost = every_pick(read, world)
    expected = gradient(read, (chance * cost).sum(1).mean())
    chance, cost = every_pick(read, world)
    marginal = gradient(read, -(chance * (-cost).exp()).sum(1).log().mean())
    torch.manual_seed(0)
    sampled = reinforced(read, world, CONTEXT[:, :1], cost=costs, samples=4096, bonus=0.0)
    got = gradient(read, sampled.loss.mean())
    assert cosine_similarity(got, expected, dim=0) >= 0.95
    assert cosine_similarity(got, marginal, dim=0) >= 0.95
    assert got.norm() / expected.norm() == pytest.approx(1, abs=0.1)


def test_without_the_baseline_of_the_others_the_same_gradient_is_noisier():
    read, world = reader(hops=1, strength=2.0), layered(positions=1)
    chance, cost = every_pick(read, world)
    expected = gradient(read, (chance * cost).sum(1).mean())
    misses = {"with": [], "without": []}
    for seed in range(20):
        torch.manual_seed(seed)
        loss = reinforced(read, world, CONTEXT[:, :1], cost=costs, samples=16, bonus=0.0).loss
        misses["with"].append((gradient(read, loss.mean()) - expected).norm())
        drawn = [read.draw(world, CONTEXT[:, :1]) for _ in range(16)]
        plain = sum(
            costs(view) + costs(view).detach() * log_probability(view.hops, picks)
            for view, picks in drawn
        )
        misses["without"].append((gradient(read, plain.mean() / 16) - expected).norm())
    assert sum(misses["with"]) < 0.5 * sum(misses["without"])


def test_the_bonus_makes_picks_more_random():
    read, world = reader(hops=1), layered(positions=1)
    torch.manual_seed(0)
    loss = reinforced(
        read, world, CONTEXT[:, :1], cost=lambda view: 0 * costs(view), samples=8, bonus=1.0
    ).loss
    before = entropy(read.look(world, CONTEXT[:, :1]).hops).sum()
    loss.mean().backward()
    with torch.no_grad():
        read.strength.sub_(read.strength.grad)
        read.null.sub_(read.null.grad)
    assert entropy(read.look(world, CONTEXT[:, :1]).hops).sum() > before
