"""Both encoders against sums written out by hand, and what a log that forgets means to them."""

import numpy as np
import pytest
import torch

from recsys.bundle.tracing import graphs, trace_all
from recsys.data.batches import Events
from tests.contract import test_memory as contract
from tests.contract.parts import EVENTS, ITEMS, SLOTS, USERS, histories, part, recommender
from tests.memory.test_tcn import layer_norm
from tests.symbols import unchecked

WIDTH, HEADS, CAPACITY, LAYERS = 4, 2, 9, 2
CATALOGUE = torch.arange(ITEMS + 1)
KINDS = [("hstu", "states"), ("hstu", "events"), ("sasrec", "events")]  # what the default is not


def settings(blocks, shows):
    return ["memory=transformer", f"memory.blocks={blocks}", f"memory.shows={shows}"]


@pytest.fixture(params=KINDS)
def plain(request):
    return recommender(*settings(*request.param))


@pytest.fixture(params=["context_read", "candidate_read"])
def model(request):
    return recommender(*settings("hstu", "events"), f"output={request.param}")


test_at_once_equals_event_by_event = contract.test_a_history_at_once_equals_event_by_event
test_padding_writes_nothing = contract.test_padding_writes_nothing
test_absent_ones_do_not_matter = contract.test_what_stands_where_nothing_is_present_does_not_matter
test_users_do_not_touch = contract.test_one_users_events_never_move_anothers
test_gradient_reaches_every_parameter = contract.test_gradient_reaches_every_parameter
test_own_scores_equal_scores = contract.test_own_scores_equal_scores_of_everybody
test_later_changes_no_earlier = contract.test_a_later_event_changes_no_earlier_view
test_training_may_begin_anywhere = contract.test_training_may_begin_at_any_state


@pytest.mark.parametrize("kind", [("sasrec", "states"), *KINDS])
@pytest.mark.parametrize("slots", [SLOTS, EVENTS])
def test_along_equals_write_and_look_with_and_without_forgetting(kind, slots):
    contract.test_along_equals_write_and_look_after_every_event(
        recommender(*settings(*kind), f"slots={slots}", "output=candidate_read")
    )


@pytest.mark.parametrize("slots", [EVENTS - 1, EVENTS])
def test_one_pass_is_enough_where_nothing_is_forgotten(slots):
    model = recommender("memory=transformer", f"slots={slots}")
    start = model.memory.initial_state(USERS)
    rows = model.memory.along(start, histories(), model.input).slots.keys.shape[0]
    assert rows == (USERS if slots == EVENTS else USERS * EVENTS)


def test_a_look_encodes_the_log_once():
    model = recommender("memory=transformer", "output=candidate_read")
    state = model.write(model.memory.initial_state(USERS), histories())
    passes = []
    model.memory.encoder.register_forward_hook(lambda *_: passes.append(1))
    model.look(state)
    assert len(passes) == 1


@pytest.mark.parametrize("blocks", ["sasrec", "hstu"])
def test_nothing_of_a_forgotten_event_lives_on(blocks):
    model = recommender("memory=transformer", f"memory.blocks={blocks}")
    events = histories(users=1, events=12, absent=0)
    state = model.write(model.memory.initial_state(1), events)
    newest = model.write(model.memory.initial_state(1), part(events, slice(-SLOTS, None)))
    shown, expected = (model.scores(model.look(state), CATALOGUE) for state in (state, newest))
    torch.testing.assert_close(shown, expected)


def encoder(kind):
    from recsys.memory.hstu_encoder import HstuEncoder
    from recsys.memory.sasrec_encoder import SasrecEncoder

    torch.manual_seed(0)
    made = {"hstu": HstuEncoder, "sasrec": SasrecEncoder}[kind](
        width=WIDTH, slots=CAPACITY, heads=HEADS, layers=LAYERS, dropout=0.0
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def log():
    """One user's log of seven events with two empty slots in front, and their vectors."""
    item = torch.tensor([[0, 0, 3, 1, 4, 1, 5, 9, 2]])
    time = torch.tensor([[0, 0, 60, 61, 65, 4_000, 4_000, 90_000, 99_000_000]])
    events = Events(item, time, torch.zeros_like(item), present=item > 0)
    return events, torch.randn(1, 9, WIDTH) * events.present[..., None]


def weights(module):
    return {name: value.detach().double().numpy() for name, value in module.named_parameters()}


def silu(x):
    return x / (1 + np.exp(-x))


def bucket(seconds):
    return int(np.floor(np.log(max(1, abs(seconds))) / 0.301))


def hstu(named, x, times):
    """Zhai et al. 2024, equations 1 to 3, one pair of events at a time."""
    x = x * np.sqrt(WIDTH)
    each = WIDTH // HEADS
    for layer in range(LAYERS):
        w = {name.removeprefix(f"blocks.{layer}."): value for name, value in named.items()}
        normed = np.array([layer_norm(row, w["norm.weight"], w["norm.bias"]) for row in x])
        u, v, q, k = np.split(silu(normed @ w["project.weight"].T), 4, axis=1)
        read = np.zeros_like(x)
        for t in range(len(x)):
            for head in range(HEADS):
                its = slice(head * each, (head + 1) * each)
                for s in range(t + 1):
                    bias = w["position"][t - s] + w["time"][bucket(times[t] - times[s])]
                    read[t, its] += silu(q[t, its] @ k[s, its] + bias) / CAPACITY * v[s, its]
        norm = w["read_norm.weight"], w["read_norm.bias"]
        told = np.array([layer_norm(row, *norm, least=1e-6) for row in read])
        x = x + (told * u) @ w["out.weight"].T + w["out.bias"]
    return x


def sasrec(named, x, times):
    """Kang and McAuley 2018, equations 1 to 8, normalised before each part."""
    x = x * np.sqrt(WIDTH) + named["position.weight"][: len(x)]
    each = WIDTH // HEADS
    for layer in range(LAYERS):
        w = {name.removeprefix(f"blocks.{layer}."): value for name, value in named.items()}
        normed = np.array([layer_norm(row, w["norm.weight"], w["norm.bias"]) for row in x])
        q = normed @ w["query.weight"].T + w["query.bias"]
        k = normed @ w["key.weight"].T
        v = normed @ w["value.weight"].T + w["value.bias"]
        read = np.zeros_like(x)
        for t in range(len(x)):
            for head in range(HEADS):
                its = slice(head * each, (head + 1) * each)
                loud = [np.exp(q[t, its] @ k[s, its] / np.sqrt(each)) for s in range(t + 1)]
                for s in range(t + 1):
                    read[t, its] += loud[s] / sum(loud) * v[s, its]
        x = x + read @ w["out.weight"].T + w["out.bias"]
        for t in range(len(x)):
            inner = layer_norm(x[t], w["refine.0.weight"], w["refine.0.bias"])
            inner = np.maximum(inner @ w["refine.1.weight"].T + w["refine.1.bias"], 0)
            x[t] = x[t] + inner @ w["refine.4.weight"].T + w["refine.4.bias"]
    return x


@pytest.mark.parametrize(("kind", "oracle"), [("hstu", hstu), ("sasrec", sasrec)])
def test_states_equal_the_sums_written_out(kind, oracle):
    made, (events, vectors) = encoder(kind), log()
    there = events.present[0]
    expected = oracle(
        weights(made), vectors[0, there].double().numpy(), events.time[0, there].tolist()
    )
    with torch.no_grad():
        found = made(vectors, events)[0, there].double()
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_time_buckets():
    from recsys.memory.hstu_encoder import time_bucket

    # natural logarithms 0, 0, 0.693, 4.094, 8.189, 11.367 and 17.266 over 0.301
    seconds = torch.tensor([0, 1, 2, 60, -3_600, 86_400, 31_536_000, 2**62])
    assert time_bucket(seconds).tolist() == [0, 0, 2, 13, 27, 37, 57, 128]


@pytest.mark.parametrize(("kind", "moves"), [("hstu", True), ("sasrec", False)])
def test_only_hstu_knows_how_long_ago_and_neither_knows_the_date(kind, moves):
    made, (events, vectors) = encoder(kind), log()
    later = events._replace(time=events.time + 1_000_000 * events.present)
    slower = events._replace(time=events.time * 50)
    with torch.no_grad():
        states, same, other = (made(vectors, told) for told in (events, later, slower))
    torch.testing.assert_close(same, states)
    assert (not torch.allclose(other, states)) == moves


@pytest.mark.parametrize(("shows", "explains"), [("states", False), ("events", True)])
def test_only_raw_events_explain(shows, explains):
    model = recommender(*settings("hstu", shows), "output=candidate_read")
    assert model.explains == explains


@pytest.mark.parametrize("name", ["sasrec", "hstu"])
def test_presets_build(name):
    model = recommender(f"experiment={name}")
    assert name in type(model.memory.encoder).__name__.lower()
    assert "context_read" in type(model.output).__module__


@pytest.mark.parametrize(("shows", "output"), [("states", "context"), ("events", "candidate")])
def test_hstu_scores_the_same_in_onnx_runtime(shows, output, tmp_path):
    import onnxruntime

    model = recommender(*settings("hstu", shows), f"output={output}_read")
    with unchecked():
        made = trace_all(graphs(model, items=ITEMS), tmp_path, names=["score"])["score"]
    session = onnxruntime.InferenceSession(
        tmp_path / made["file"], providers=["CPUExecutionProvider"]
    )
    for users, events in [(1, 1), (4, 9)]:
        state = model.write(
            model.memory.initial_state(users), histories(users=users, events=events)
        )
        own = torch.randint(1, ITEMS + 1, (users, 6))
        fields = {name: field.numpy() for name, field in state._asdict().items()}
        found = session.run(["scores"], {**fields, "candidates": own.numpy()})[0]
        with torch.no_grad():
            expected = model.own_scores(model.look(state), own)
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-5)
