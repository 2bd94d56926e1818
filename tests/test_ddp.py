"""Several devices do what one does: two processes on the CPU, which wait for each other by gloo."""

import pytest
import torch

from tests.tiny_training import data_set, history, strange, train, train_apart, weights

TWO = ("trainer.devices=2", "trainer.strategy=ddp")
# Adam would hide a gradient of another scale.
PLAIN = ("dropout=0.0", "optimizer._target_=torch.optim.SGD", "optimizer.lr=0.5")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_set(tmp_path_factory.mktemp("ddp") / "data").folder


@pytest.mark.parametrize(
    "words",
    [
        # The last step has an odd number of windows, and the judges are an odd number too.
        ("batch_size=17", "validation_batch_size=7"),
        # A step of one window and a single judge: one of the two has nothing to do.
        pytest.param(
            ("batch_size=1", "validation_users=1", "trainer.max_epochs=1"), marks=pytest.mark.slow
        ),
        pytest.param(("memory=gru", "batch_size=17"), marks=pytest.mark.slow),
    ],
    ids=["uneven", "idle", "gru"],
)
def test_two_devices_train_as_one(tmp_path, data, words):
    words = (*PLAIN, *words)
    alone = train(data, tmp_path / "one", *words)
    run = tmp_path / "two"
    done = train_apart(data, run, *words, *TWO)
    assert done.returncode == 0, done.stderr
    assert "devices: 2 (cpu)" in done.stderr
    assert strange(done) == []
    one, two = weights(alone), weights(run)
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-5, atol=1e-5)
    assert_same_history(run, alone)


def assert_same_history(run, other):
    """The validation metrics to the last bit, the loss but for the order of its sum."""
    assert len(history(run)) == len(history(other))
    for row, expected in zip(history(run), history(other), strict=True):
        assert row.pop("train/loss") == pytest.approx(expected.pop("train/loss"), rel=1e-5)
        assert row == expected
