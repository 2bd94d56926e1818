"""One step: what it depends on, and what its loss is the mean of."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recsys.data.batches import Events
from recsys.data.support import Repeated
from recsys.teaching.alone import Alone
from recsys.teaching.reinforced import Reinforced
from recsys.teaching.told import Told
from tests.contract.parts import ITEMS, recommender
from tests.evaluation.tiny import prepared

HISTORIES = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10], [11, 3, 5]]


def system(*words, seed=7, k=3, dropout=0.0, **asked):
    from recsys.auxiliary.disturbance import DISTURBANCES, Disturbance
    from recsys.loss.sampled_softmax import SampledSoftmax
    from recsys.system import Objective, RecommenderSystem

    count = torch.ones(ITEMS + 1, dtype=torch.long)
    made = RecommenderSystem(
        model=recommender(*words, f"dropout={dropout}").train(),
        objective=Objective(
            **{
                "loss": SampledSoftmax(count=count, negatives=5, popular=0.0, smoothing=0.0),
                "auxiliaries": {},
                "disturbance": Disturbance(**dict.fromkeys(DISTURBANCES, 0.0)),
                "teaching": Alone(),
                "support": None,
                **asked,
            }
        ),
        optimizer=torch.optim.Adam,
        items=ITEMS,
        k=k,
        seed=seed,
    )
    made.logged = {}
    made.log = lambda name, value, **_: made.logged.update({name: float(value.detach())})
    return made


def lost(made, batch, *, step=0, device=0, devices=1):
    """The loss of this step on this device."""
    made.trainer = SimpleNamespace(global_step=step, global_rank=device, world_size=devices)
    with torch.no_grad():
        return float(made.training_step(batch))


@pytest.fixture
def data():
    return prepared(HISTORIES, items=ITEMS)


def whole_catalogue():
    from recsys.loss.full_softmax import FullSoftmax

    return FullSoftmax(count=torch.ones(ITEMS + 1, dtype=torch.long), smoothing=0.0)


RANDOM = {"negatives": dict, "dropout": lambda: {"dropout": 0.4, "loss": whole_catalogue()}}


def batch(data, *users, length=None, targets=None):
    """The whole histories of these users as one step, filled up to this many places."""
    from recsys.data.batches import Events, window

    users = np.array(users)
    begin, end = data.histories.offset[users], data.histories.offset[users + 1]
    counted = int((end - begin).sum())
    made = window(
        data.histories, begin=begin, start=begin, end=end, targets=float(targets or counted)
    )
    extra = (0, 0 if length is None else length - made.target.shape[1])
    events = Events(*(torch.nn.functional.pad(field, extra) for field in made.events))
    target, weight = (torch.nn.functional.pad(field, extra) for field in (made.target, made.weight))
    return made._replace(events=events, target=target, weight=weight)


@pytest.mark.parametrize("memory", ["memory=gru", "memory=key_value"])
def test_padding_costs_nothing(data, memory):
    made = system(memory)
    plain, padded = batch(data, 0, 1), batch(data, 0, 1, length=11)
    assert lost(made, padded) == pytest.approx(lost(made, plain), rel=1e-5)


@pytest.mark.parametrize("memory", ["memory=gru", "memory=key_value"])
def test_the_loss_is_the_mean_over_the_targets(data, memory):
    made = system(memory)
    one, other = lost(made, batch(data, 0)), lost(made, batch(data, 1))
    assert lost(made, batch(data, 0, 1)) == pytest.approx((6 * one + 4 * other) / 10, rel=1e-5)


def test_the_mean_over_devices_is_the_loss_of_one(data):
    made = system()
    alone = lost(made, batch(data, 0, 1, 2))
    shares = [
        lost(made, batch(data, *users, targets=13), device=device, devices=2)
        for device, users in enumerate([[0, 2], [1]])
    ]
    assert sum(shares) / 2 == pytest.approx(alone, rel=1e-5)


def test_a_device_with_nothing_to_do_learns_nothing(data):
    from recsys.data.batches import window

    made = system()
    nothing = np.zeros(1, dtype=np.int64)
    idle = window(data.histories, begin=nothing, start=nothing, end=nothing, targets=3.0)
    made.trainer = SimpleNamespace(global_step=0, global_rank=1, world_size=2)
    made.training_step(idle).backward()
    gradients = [parameter.grad for parameter in made.parameters()]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("what", ["negatives", "dropout"])
def test_a_step_depends_on_the_seed_and_its_number_alone(data, what):
    how = RANDOM[what]()
    made, steps = system(**how), batch(data, 0, 1, 2)
    before = lost(made, steps, step=5)
    torch.rand(100)
    lost(made, steps, step=4)
    assert lost(made, steps, step=5) == before
    assert lost(made, steps, step=6) != before
    assert lost(system(**how, seed=8), steps, step=5) != before


def test_devices_draw_the_same_negatives_but_drop_out_differently(data):
    steps = batch(data, 0, 1, 2)
    plain, random = system(), system(dropout=0.4)
    assert lost(plain, steps, device=0) == lost(plain, steps, device=1)
    assert lost(random, steps, device=0) != lost(random, steps, device=1)


def test_the_first_event_is_predicted_from_the_empty_memory(data):
    """With one event a user the loss is that of scores that no history moves."""
    made = system()
    events = batch(data, 0)
    first = events._replace(
        events=type(events.events)(*(field[:, :1] for field in events.events)),
        target=events.target[:, :1],
        weight=events.weight[:, :1],
        targets=1.0,
    )
    made.trainer = SimpleNamespace(global_step=0, global_rank=0, world_size=1)
    made.training_step(first).backward()
    assert not made.model.memory.value.weight.grad.any()
    assert made.model.response.bias.weight.grad.any()


def test_validation_lists_no_seen_item_and_meets_the_truth(data):
    from recsys.data.batches import asked, question

    made = system(k=2).eval()
    asks = question(data, "valid", users=asked(data, "valid"), history=None)
    loud = torch.zeros(len(asks.user), ITEMS + 1)
    loud[asks.seen[:, 0], asks.seen[:, 1]] = 9.0  # what was seen would win
    loud[asks.truth[:, 0], asks.truth[:, 1]] = torch.tensor([3.0, 3.0, 3.0])
    loud[1, 6] = 4.0  # of three users one has a better item than the truth
    made.model.forward = lambda *_: loud
    made.validation_step(asks)
    made.on_validation_epoch_end()
    assert made.logged["val/hit_rate@2"] == 1
    assert made.logged["val/mrr@2"] == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_metrics_begin_anew_every_epoch(data):
    from recsys.data.batches import asked, question

    made = system(k=1).eval()
    asks = question(data, "valid", users=asked(data, "valid"), history=None)
    found = torch.zeros(len(asks.user), ITEMS + 1)
    found[asks.truth[:, 0], asks.truth[:, 1]] = 1.0
    for scores, hit_rate in ((found, 1), (-found, 0)):
        made.model.forward = lambda *_, scores=scores: scores
        made.validation_step(asks)
        made.on_validation_epoch_end()
        assert made.logged["val/hit_rate@1"] == hit_rate


def test_the_optimizer_moves_every_parameter_once():
    made = system()
    groups = made.configure_optimizers().param_groups
    moved = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(moved) == sorted(id(part) for part in made.parameters())


def test_only_tables_decay():
    made = system()
    made.optimizer = partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5)
    before = {name: part.detach().clone() for name, part in made.named_parameters()}
    for parameter in made.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.configure_optimizers().step()
    tables = {"input.item", "input.behaviour", "memory.value", "response.answer", "response.bias"}
    for name, after in made.named_parameters():
        table = name.removeprefix("model.").removesuffix(".weight") in tables
        torch.testing.assert_close(after, before[name] * (0.95 if table else 1))


def test_sizes_are_those_of_the_contract():
    from recsys.system import sizes
    from tests.contract.parts import ITEMS, WIDTH, recommender

    gru = recommender("memory=gru")
    assert sizes(gru, events=5).endswith(f"at most {4 * WIDTH} bytes of state a user")
    log = recommender("memory=key_value")
    assert sizes(log, events=4).endswith(f"at most {24 * 4 + 24} bytes of state a user")
    assert sum(one.numel() for one in log.parameters()) > ITEMS


class Spy(Alone):
    """Teaches nothing and remembers what it was told."""

    def __call__(self, output, along, **told):
        self.told = told
        return super().__call__(output, along, **told)


def test_the_teaching_of_a_step_is_told_its_labels_and_its_number(data):
    """User 2 took 11, 3 and 5; the label of the target 3 is the event whose item is 3."""
    item = torch.tensor([[11, 3, 5]])
    steps = batch(data, 2)
    steps = steps._replace(
        events=Events(item, item * 0, item * 0, item > 0), target=torch.tensor([[0, 0, 3]])
    )
    spy = Spy()
    made = system("memory=igor", teaching=spy, support=Repeated(prepared=data, hops=2))
    lost(made, steps, step=5)
    assert spy.told["step"] == 5
    assert spy.told["support"].tolist() == [[[-1, -1], [-1, -1], [2, -1]]]  # slot 0 is the start
    lost(system("memory=igor", teaching=spy), steps)
    assert spy.told["support"] is None


def test_labels_and_rewards_change_the_gradients_of_the_picks_only(data):
    steps = batch(data, 0, 1, 2)
    steps = steps._replace(target=steps.events.item)  # the newest event is the answer
    found = {}
    for name, teaching in (
        ("alone", Alone()),
        ("told", Told()),
        ("rewarded", Reinforced(samples=4, bonus=0.0, decay=1.0, least=0.0)),
    ):
        words = ("memory=igor", "output.hops=1", "memory.hops=1", "output.untold=straight_through")
        made = system(*words, teaching=teaching, support=Repeated(prepared=data, hops=1))
        made.trainer = SimpleNamespace(global_step=0, global_rank=0, world_size=1)
        made.training_step(steps).backward()
        found[name] = made.model.output.ask[0].weight.grad
    first = steps.events.present.long().cumsum(1)[:, 0] == 0
    assert first.all()  # a newcomer's position, where nothing can be picked
    assert found["alone"].norm() > 0
    assert found["told"].norm() < 1e-6
    assert found["rewarded"].norm() > 0
    assert not torch.allclose(found["rewarded"], found["alone"])
