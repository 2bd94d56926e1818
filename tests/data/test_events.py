import numpy as np

from recsys.data.events import Events, in_order, pack
from tests.tiny_data import rows, taken


def made(*events):
    """Events of (user, item, tick), without behaviours."""
    user, item, tick = zip(*events, strict=True)
    none = np.zeros(len(events), dtype=np.uint8)
    return Events(np.int32(user), np.int32(item), np.int64(tick), none)


def test_events_are_sorted_by_user_and_time_and_ties_keep_file_order():
    found = in_order(made((1, 0, 5), (0, 2, 9), (1, 1, 3), (0, 0, 9), (0, 1, 9)))
    assert found.user.tolist() == [0, 0, 0, 1, 1]
    assert found.item.tolist() == [2, 0, 1, 1, 0]


def test_many_ties_keep_file_order(tmp_path):
    table = rows(*((user, item, 1) for item in range(300) for user in (2, 1)))
    _, found = taken(table, tmp_path)
    assert found.item.tolist() == [*range(300), *range(300)]


def test_packing_numbers_from_the_catalogue_and_writes_seconds():
    second = 1_000_000
    found = made((0, 1, 1.5 * second), (0, 0, 2 * second), (1, 0, 0.25 * second))
    packed = pack(found, index=np.array([4, 7], dtype=np.int32), clock="seconds")
    assert packed.item.tolist() == [7, 4, 4]
    assert packed.time.tolist() == [1, 2, 0]
