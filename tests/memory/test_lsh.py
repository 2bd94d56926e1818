"""Hash buckets: what falls into which, and how well reading them is attention over all events."""

import math

import pytest
import torch
from torch.nn import functional

from recsys.data.batches import Events
from recsys.input.table import own_rows
from recsys.memory.contract import Slots
from recsys.memory.lsh import Lsh
from recsys.output.bucket_read import BucketRead
from tests.contract.parts import ITEMS, WIDTH, histories, recommender

TABLES, BITS = 3, 2
HISTORY, CANDIDATES, EMBEDDING = 200, 300, 64


def lsh(**settings):
    memory = "memory=lsh", f"memory.tables={TABLES}", f"memory.bits={BITS}"
    model = recommender(*memory, *(f"{name}={value}" for name, value in settings.items()))
    with torch.no_grad():
        model.input.behaviour.weight[0] = 0  # padding, as training leaves it
    return model


def buckets(planes, vector):
    """The bucket of each table, plane by plane."""
    found = []
    for table, cuts in enumerate(planes.tolist()):
        code = sum(
            2**bit * (math.fsum(x * y for x, y in zip(cut, vector.tolist(), strict=True)) > 0)
            for bit, cut in enumerate(cuts)
        )
        found.append(table * 2**BITS + code)
    return found


def test_an_event_is_added_to_one_bucket_of_each_table():
    model = lsh()
    events = histories(users=1, events=6, absent=0)
    state = model.write(model.memory.initial_state(1), events)
    vectors = model.input(events)[0].detach()
    total, count = torch.zeros_like(state.total[0]), torch.zeros_like(state.events[0])
    for item, vector in zip(events.item[0], vectors, strict=True):
        for bucket in buckets(model.memory.planes, model.input.query(item).detach()):
            total[bucket] += vector
            count[bucket] += 1
    torch.testing.assert_close(state.total[0], total)
    assert torch.equal(state.events[0], count)
    assert state.events.sum() == 6 * TABLES


def test_of_a_tables_keys_a_vectors_own_bucket_is_the_best_match():
    model = lsh()
    slots = model.memory.look(model.memory.initial_state(1), model.input).slots
    vectors = torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(0))
    best = (slots.keys[0] @ vectors.T).unflatten(0, (TABLES, -1)).argmax(1)
    for place, vector in enumerate(vectors):
        own = [2**BITS * table + int(best[table, place]) for table in range(TABLES)]
        assert own == buckets(model.memory.planes, vector)


def test_what_was_done_with_an_item_does_not_change_its_bucket():
    model = lsh()
    events = histories(users=1, events=4, absent=0)
    other = events._replace(behaviour=(events.behaviour + 1) % 3)
    one, two = (model.write(model.memory.initial_state(1), past) for past in (events, other))
    assert torch.equal(one.events, two.events)
    assert not torch.allclose(one.total, two.total)


def test_empty_buckets_are_too_faint_for_any_read():
    model = lsh(output="candidate_read")
    state = model.write(model.memory.initial_state(1), histories(users=1, events=2, absent=0))
    weights = model.effect(model.look(state), torch.arange(ITEMS + 1)[None]).weights
    assert weights[0, :, state.events[0] == 0].max() < 1e-4 * weights[0].max()


def test_the_state_does_not_grow_with_the_history():
    model = recommender("memory=lsh")
    for events in (1, 60):
        state = model.write(model.memory.initial_state(1), histories(users=1, events=events))
        taken = sum(field.element_size() * field[0].numel() for field in state)
        assert taken == 4 * (16 * 8 * (WIDTH + 1) + WIDTH)


def test_hyperplanes_come_from_the_seed_and_never_learn():
    planes = [recommender("memory=lsh", f"memory.seed={s}", seed=s + 5).memory for s in (3, 3, 4)]
    assert torch.equal(planes[0].planes, planes[1].planes)
    assert not torch.equal(planes[0].planes, planes[2].planes)
    assert "planes" not in dict(planes[0].named_parameters())
    assert "planes" in planes[0].state_dict()


class World:
    """Items in clusters, a long history of them, and candidates to read it."""

    def __init__(self, *, tables, bits, normalise="count"):
        draw = torch.Generator().manual_seed(0)
        centres = torch.randn(20, EMBEDDING, generator=draw)
        items = HISTORY + CANDIDATES
        near = centres[torch.randint(20, (items,), generator=draw)]
        self.item = own_rows(EMBEDDING, items=items)
        noise = torch.randn(items, EMBEDDING, generator=draw)
        self.item.weight.data[1:] = 0.8 * near + 0.6 * noise
        self.memory = Lsh(
            table=lambda width: self.item, width=EMBEDDING, tables=tables, bits=bits, seed=0
        )
        torch.nn.init.eye_(self.memory.value.weight)
        self.read = BucketRead(width=EMBEDDING, bits=bits, normalise=normalise)
        self.past = self.item.weight[1 : HISTORY + 1].detach()
        self.asked = self.item.weight[HISTORY + 1 :].detach()
        self.power = bits

    def encode(self, events):
        return self.item(events.item)

    @torch.no_grad()
    def found(self, *, answers):
        """What the buckets say of each candidate."""
        item = torch.arange(1, HISTORY + 1)[None]
        events = Events(item, 0 * item, 0 * item, present=item > 0)
        state = self.memory.write(self.memory.initial_state(1), events, self.encode)
        view = self.read.look(*self.memory.look(state, self.encode))
        return self.read.every(view, self.asked, answers).memory[0, 0] / self.read.gain

    def shared(self):
        """Probability that candidate and event share a bucket."""
        cosine = functional.normalize(self.asked, dim=1) @ functional.normalize(self.past, dim=1).T
        return (1 - cosine.clamp(-1, 1).acos() / math.pi) ** self.power


def correlation(one, other):
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])


def test_96_hyperplanes_read_what_exact_attention_by_angle_reads():
    world = World(tables=32, bits=3)
    weights = world.shared()
    answers = torch.randn(CANDIDATES, EMBEDDING, generator=torch.Generator().manual_seed(1))
    exact = ((weights / weights.sum(1, keepdim=True)) @ world.past * answers).sum(1)
    assert correlation(world.found(answers=answers), exact) >= 0.95


def test_the_true_slot_is_among_the_ones_that_share_most_buckets():
    # true: what attention by angle reads most of; found: the 20 of 200 that collide most often
    world = World(tables=32, bits=3)
    with torch.no_grad():
        candidate, event = (
            (part @ world.memory.planes.flatten(0, 1).T).unflatten(1, (32, 3)) > 0
            for part in (world.asked, world.past)
        )
    often = (candidate[:, None] == event[None]).all(-1).float().mean(-1)
    truth = world.shared().argmax(1)
    found = often.topk(20, dim=1).indices
    assert (found == truth[:, None]).any(1).float().mean() >= 0.9


@pytest.mark.parametrize("events", [50, 500])
def test_reading_costs_the_same_however_long_the_history(events):
    model = recommender("memory=lsh")
    view = model.look(model.write(model.memory.initial_state(1), histories(users=1, events=events)))
    assert isinstance(view.slots, Slots)
    assert view.slots.keys.shape == (1, 16 * 8, WIDTH)
