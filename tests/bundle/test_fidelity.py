"""What fewer bits lose, told by stand-ins that err in a known way."""

import numpy as np
import pytest

from recsys.bundle.fidelity import LIMITS, Fidelity, compare
from recsys.errors import ArtifactError
from tests.bundle.test_parity import HISTORY, ITEMS, StandIn
from tests.contract.parts import recommender
from tests.evaluation.tiny import prepared

FINE = Fidelity(
    users=20, score_error=1e-3, list_overlap=0.99, ndcg=0.3, ndcg_loss=0.0, seen_items=0
)


@pytest.fixture(scope="module")
def world():
    draw = np.random.default_rng(0)
    lengths = draw.integers(3, 10, 20)
    return prepared([draw.integers(1, ITEMS + 1, length) for length in lengths], items=ITEMS)


def compared(world, fault=None):
    model = recommender("memory=gru")
    whole, reduced = StandIn(model), StandIn(model, fault=fault)
    return compare(whole, reduced, prepared=world, history=HISTORY)


def test_a_bundle_loses_nothing_beside_itself(world):
    found = compared(world)
    assert found == Fidelity(
        users=20, score_error=0, list_overlap=1, ndcg=found.ndcg, ndcg_loss=0, seen_items=0
    )
    assert 0 < found.ndcg < 1


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("nan", "score_error=nan"),
        ("seen", "seen_items=[1-9]"),
        ("list", r"ndcg_loss=|list_overlap="),
        ("write", "score_error="),
    ],
)
def test_a_fault_is_refused_by_name(world, fault, name):
    with pytest.raises(ArtifactError, match=rf"{name}.*nothing was published"):
        compared(world, fault).check("float16")


def test_a_small_error_of_one_item_is_measured(world):
    found = compared(world, "score")
    assert 0.001 < found.score_error <= 0.01
    assert found.list_overlap == 1
    found.check("float16")


@pytest.mark.parametrize("precision", LIMITS)
def test_limits_are_where_they_are_said_to_be(precision):
    limits = LIMITS[precision]
    FINE._replace(**limits._asdict()).check(precision)
    for name, step in (("score_error", 1e-4), ("list_overlap", -1e-4), ("ndcg_loss", 1e-4)):
        beyond = {name: getattr(limits, name) + step}
        with pytest.raises(ArtifactError, match=f"{name}="):
            FINE._replace(**(limits._asdict() | beyond)).check(precision)
