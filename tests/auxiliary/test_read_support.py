"""Which slot a label means, what it costs not to read it, and what the telling does in training."""

import math

import pytest
import torch
from torch.nn.functional import one_hot

from recsys.auxiliary.contract import Seen
from recsys.auxiliary.disturbance import Disturbed
from recsys.auxiliary.read_margin import ReadMargin
from recsys.auxiliary.read_support import ReadSupport, labelled, slots_of_age, unread
from recsys.data.batches import Events, Window, window
from recsys.data.datamodule import stretches
from recsys.data.support import Repeated, age_of, repeated
from recsys.errors import ConfigError
from tests import worlds
from tests.contract.parts import ITEMS, SLOTS, histories, recommender

LONG = 40  # events, more than there are slots
LOGS = ["key_value", "igor", "end_to_end", "graph", "dynamic", "hierarchical"]
TOLD = ("support=repeated", "support.hops=1", "auxiliary=[read_support]")


def step(*, hops=2):
    """Long histories with repeats, and the last places of each target among them."""
    events = histories(events=LONG)
    draw = torch.Generator().manual_seed(4)
    target = torch.randint(1, ITEMS + 1, events.item.shape, generator=draw)
    return events, target, repeated(events, target, hops=hops)


@pytest.mark.parametrize("memory", LOGS)
def test_a_label_is_the_slot_of_its_event_until_that_is_forgotten(memory):
    events, target, place = step()
    along = recommender(f"memory={memory}").remembered(events)
    found = slots_of_age(age_of(place, events), slots=along.slots)
    users, positions, hops = place.shape
    found = found.reshape(users, positions, hops)
    remembered = forgotten = 0
    for user, position, hop in (place >= 0).nonzero().tolist():
        then = int(place[user, position, hop])
        since = int(events.present[user, then + 1 : position + 1].sum())
        slot = int(found[user, position, hop])
        assert (slot >= 0) == (since < SLOTS)
        if slot < 0:
            forgotten += 1
            continue
        alone = along.slots.filled.shape[0] > users  # a row for each position
        row, seen = (user * positions + position, 0) if alone else (user, position)
        assert along.slots.item[row, slot] == target[user, position]
        assert along.slots.filled[row, seen, slot]
        assert along.slots.age[row, seen, slot] == since
        remembered += 1
    assert min(remembered, forgotten) >= 5
    assert (found[place < 0] == -1).all()


def test_slots_that_are_no_events_are_refused():
    events, _, place = step()
    along = recommender("memory=gru").remembered(events)
    with pytest.raises(ConfigError, match="memory=key_value"):
        slots_of_age(age_of(place, events), slots=along.slots)


def test_a_strangers_event_is_no_reason():
    item = torch.tensor([[3, 3, 5]])
    events = Events(item, item * 0, item * 0, item > 0)
    asked = Window(events, torch.tensor([[0, 0, 3]]), torch.ones(1, 3), targets=1.0)
    slots = recommender("memory=key_value").remembered(events).slots
    support = Repeated(prepared=None, hops=1)
    for decoy, slot in (((False, False, False), 2), ((False, True, False), 1)):
        disturbed = Disturbed(asked, torch.tensor([decoy]))
        assert labelled(support, disturbed, slots=slots)[0, 2] == slot  # slot 0 is the empty start


def test_a_step_without_events_has_no_labels():
    item = torch.zeros(1, 2, dtype=torch.long)
    nothing = Window(Events(item, item, item, item > 0), item, item.float(), targets=3.0)
    slots = recommender("memory=key_value").remembered(nothing.events).slots
    found = labelled(Repeated(prepared=None, hops=2), Disturbed(nothing, item > 0), slots=slots)
    assert (found == -1).all()


def seen(*, hops, support):
    """A step of which only the reads matter."""
    events = histories(users=1, events=2)
    model = recommender("memory=key_value")
    view = model.along(events)._replace(hops=hops)
    return Seen(model, events, view, events.item, events.present, support)


def test_the_cost_is_the_mean_negative_log_weight_of_labelled_slots():
    hops = torch.tensor([[[[0.5, 0.25], [0.1, 0.2]], [[0.125, 0.5], [0.3, 0.4]]]])
    support = torch.tensor([[[0, 1], [-1, 1]]])  # position hop
    mean = -(math.log(0.5) + math.log(0.5) + math.log(0.4)) / 3
    assert ReadSupport(weight=2.0)(seen(hops=hops, support=support)) == pytest.approx(2 * mean)
    first = seen(hops=hops[:, :1], support=support)  # a label too many
    assert ReadSupport(weight=1.0)(first) == pytest.approx(math.log(2))
    assert ReadSupport(weight=1.0)(seen(hops=hops, support=support * 0 - 1)) == 0
    margin = ReadMargin(weight=2.0, gamma=0.1)(seen(hops=hops, support=support))
    assert margin == 0  # all others are further away than gamma
    wrong = ReadMargin(weight=2.0, gamma=0.1)(seen(hops=hops, support=1 - support.clamp(min=0)))
    hinges = [0.1 + math.log(2), 0.1 + math.log(4), 0.0, 0.1 + math.log(4 / 3)]
    assert wrong == pytest.approx(2 * sum(hinges) / 4, abs=1e-5)


@pytest.mark.parametrize("loss", [ReadSupport(weight=1.0), ReadMargin(weight=1.0, gamma=0.1)])
def test_labels_and_hops_are_asked_for(loss):
    hops = torch.full((1, 1, 2, 2), 0.25)
    with pytest.raises(ConfigError, match="set support=repeated"):
        loss(seen(hops=hops, support=None))
    with pytest.raises(ConfigError, match=r"output.hops=1"):
        loss(seen(hops=hops[:, :0], support=torch.zeros(1, 2, 1, dtype=torch.long)))


def test_the_gradient_raises_the_weight_of_the_labelled_slot():
    logit = torch.zeros(1, 1, 1, 3, requires_grad=True)
    unread(logit.softmax(-1), torch.tensor([[[2]]])).backward()
    expected = torch.full((3,), 1 / 3) - one_hot(torch.tensor(2), 3)
    torch.testing.assert_close(logit.grad[0, 0, 0], expected)


def weight_on_support(system, world):
    """Mean weight of the first hop on the slot of the item that comes again."""
    windows = stretches(world, length=12)
    asked = window(world.histories, **windows._asdict(), targets=1.0)
    model = system.model.eval()
    with torch.no_grad():
        along = model.remembered(asked.events)
        place = repeated(asked.events, asked.target, hops=1)
        slot = slots_of_age(age_of(place, asked.events), slots=along.slots)
        hops = model.output.look(*along).hops
    known = slot[..., 0] >= 0
    return hops[:, 0].gather(2, slot.clamp(min=0))[..., 0][known].mean().item()


def test_a_hop_that_is_told_reads_what_speaks_for_the_target():
    world = worlds.returns(favourites=8, distractors=6, noise=20, users=240)
    words = ("memory=key_value", "output.hops=1", "slots=12", "width=16")
    alone = worlds.trained(world, *words, epochs=10)
    told = worlds.trained(world, *words, *TOLD, epochs=10)
    assert weight_on_support(alone, world) <= 0.5
    assert weight_on_support(told, world) >= 0.95


def test_hard_reads_that_are_told_find_what_alone_they_miss():
    world = worlds.returns(favourites=8, distractors=6, noise=20, users=240)
    words = ("memory=igor", "memory.hops=1", "output.hops=1", "slots=12", "width=16")
    hits = []
    for taught in ((), TOLD, (*TOLD, "teaching=told")):
        scorer = worlds.fit(world, *words, *taught, epochs=10)
        hits.append(worlds.hit_rate(scorer, world, seen="keep"))
    alone, told, forced = hits
    assert alone <= 0.9
    assert min(told, forced) >= 0.95
