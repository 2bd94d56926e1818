"""The domain's own API: events in, lists and memories out, forgetting."""

import itertools

import numpy as np
import pytest

USERS = itertools.count(1000)  # every test takes users of its own


def user():
    return next(USERS)


def best(row, *, without, k):
    """Item ids of the highest scores, ties by index; items are named from 100."""
    order = [item for item in np.argsort(-row[1:], kind="stable") + 1 if item not in without]
    return [int(item) + 99 for item in order[:k]]


def recommend(api, **asked):
    reply = api.post("/recommend", json=asked)
    assert reply.status_code == 200, reply.text
    return reply.json()


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


def test_an_event_changes_the_next_list(api, table):
    who = user()
    before = recommend(api, user_id=who, k=5)
    receipt = api.post("/events", json={"user_id": who, "item_id": 106, "timestamp": 5}).json()
    after = recommend(api, user_id=who, k=5)
    assert receipt == {"events": [{"position": 1, "repeated": False}]}
    assert (before["events"], ids(before)) == (0, [100, 101, 102, 103, 104])
    assert (after["events"], ids(after)) == (1, best(table[7], without={7}, k=5))


def test_a_list_has_scores_titles_and_reasons(api, table):
    who = user()
    for second, item in enumerate((103, 109)):
        api.post("/events", json={"user_id": who, "item_id": item, "timestamp": second})
    answer = recommend(api, user_id=who, k=1)
    first = best(table[10], without={4, 10}, k=1)[0]
    score = float(table[10, first - 99])
    assert answer["user_id"] == who
    assert answer["items"] == [
        {
            "rank": 1,
            "item_id": first,
            "title": f"Title {first - 99}",
            "score": score,
            "because": [
                {"item_id": 109, "title": "Title 10", "weight": score},
                {"item_id": 103, "title": "Title 4", "weight": 0.5},
            ],
        }
    ]


def test_an_event_id_counts_once(api):
    event = {"user_id": user(), "item_id": 101, "event_id": "a-1"}
    first, second = (api.post("/events", json=event).json()["events"][0] for _ in range(2))
    assert (first["position"], first["repeated"]) == (1, False)
    assert (second["position"], second["repeated"]) == (1, True)


def test_many_events_get_receipts_in_their_order(api):
    one, two = user(), user()
    events = [{"user_id": who, "item_id": 101} for who in (one, two, one)]
    receipts = api.post("/events", json={"events": events}).json()["events"]
    assert [receipt["position"] for receipt in receipts] == [1, 1, 2]


def test_a_history_is_read_and_not_remembered(api, table):
    answer = recommend(api, history=[{"item_id": 103}, {"item_id": 106}], k=4)
    assert answer["user_id"] is None
    assert answer["events"] == 2
    assert ids(answer) == best(table[7], without={4, 7}, k=4)


def test_no_history_is_a_history(api):
    assert recommend(api, history=[], k=2)["events"] == 0


def test_histories_are_read_in_order_of_time(api, table):
    late = [{"item_id": 106, "timestamp": "1970-01-02"}, {"item_id": 103, "timestamp": 7}]
    assert ids(recommend(api, history=late, k=3)) == best(table[7], without={4, 7}, k=3)


def test_lists_can_be_narrowed(api, table):
    history = [{"item_id": 106}]
    seen = recommend(api, history=history, seen="keep", k=30)
    assert ids(seen) == best(table[7], without=set(), k=30)
    first, second = best(table[7], without={7}, k=2)
    excluded = recommend(api, history=history, exclude=[first, "unknown"], k=1)
    assert ids(excluded) == [second]
    given = recommend(api, history=history, candidates=[106, 101, "x", 101], k=5)
    assert ids(given) == [101]
    assert recommend(api, history=history, candidates=["x"])["items"] == []


def test_batches_answer_as_single_requests_do(api):
    who = user()
    api.post("/events", json={"user_id": who, "item_id": 110})
    asked = [
        {"user_id": who, "k": 3},
        {"user_id": user(), "k": 3},
        {"user_id": who, "k": 7, "seen": "keep"},
        {"history": [{"item_id": 101, "timestamp": 1}], "k": 3, "exclude": [102]},
    ]
    together = recommend(api, requests=asked)["answers"]
    assert together == [recommend(api, **one) for one in asked]


def test_a_memory_shows_what_a_user_did(api, table):
    who = user()
    for second, item in enumerate((103, 109)):
        api.post("/events", json={"user_id": who, "item_id": item, "timestamp": second})
    shown = api.get(f"/users/{who}/memory", params={"item_id": [105, 999]}).json()
    assert (shown["user_id"], shown["events"]) == (who, 2)
    assert [(slot["position"], slot["item_id"], slot["at"]) for slot in shown["slots"]] == [
        (1, 103, "1970-01-01T00:00:00+00:00"),
        (2, 109, "1970-01-01T00:00:01+00:00"),
    ]
    assert [(read["item_id"], read["score"]) for read in shown["reads"]] == [
        (105, float(table[10, 6]))
    ]
    both = api.post("/memory", json={"user_ids": [who, user()], "item_ids": [105, 999]}).json()
    assert both["memories"][0] == shown
    assert both["memories"][1]["slots"] == []


def test_a_forgotten_user_is_unknown(api):
    who = user()
    api.post("/events", json={"user_id": who, "item_id": 106})
    assert api.delete(f"/users/{who}").json() == {"user_id": who, "events": 1}
    assert recommend(api, user_id=who, k=2) == recommend(api, user_id=user(), k=2) | {
        "user_id": who
    }
    assert api.delete(f"/users/{who}").json() == {"user_id": who, "events": 0}


def test_a_forgotten_event_never_happened(api, table):
    who = user()
    for second, item in enumerate((103, 106)):
        api.post("/events", json={"user_id": who, "item_id": item, "timestamp": second})
    gone = api.delete(f"/users/{who}/events/106").json()
    assert gone == {"user_id": who, "item_id": 106, "events": 1}
    assert ids(recommend(api, user_id=who, k=4)) == best(table[4], without={4}, k=4)


def test_many_are_forgotten_at_once(api):
    one, two = user(), user()
    for who, item in ((one, 101), (two, 101), (two, 102)):
        api.post("/events", json={"user_id": who, "item_id": item})
    asked = {"user_ids": [one], "events": [{"user_id": two, "item_id": 102}]}
    assert api.post("/forget", json=asked).json() == {
        "users": [{"user_id": one, "events": 1}],
        "events": [{"user_id": two, "item_id": 102, "events": 1}],
    }


def test_items_are_found_by_title_and_id(api):
    found = api.get("/items", params={"query": "title 2", "limit": 3}).json()["items"]
    assert [item["title"] for item in found] == ["Title 2", "Title 20", "Title 21"]
    assert api.get("/items", params={"query": "117"}).json()["items"] == [
        {"item_id": 117, "title": "Title 18"}
    ]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"k": 3}, "user_id"),
        ({"user_id": 1, "history": []}, "user_id"),
        ({"user_id": 1, "k": 0}, "k"),
        ({"user_id": 1, "k": True}, "k"),
        ({"user_id": 1, "k": 10**30}, "k"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": 1.5}, "user_id"),
        ({"user_id": 1, "exclud": []}, "exclud"),
        ({"user_id": 1, "filters": {"categories": {"any": "Drama"}}}, "filters.categories.any"),
        ({"user_id": 1, "seen": "maybe"}, "seen"),
        ({"history": [{"item_id": 1}, {"item_id": 2, "timestamp": 1}]}, "history[0].timestamp"),
        ({"history": [{"item_id": 1, "timestamp": "soon"}]}, "history[0].timestamp"),
        ({"requests": [{"user_id": 1}, {"user_id": 1, "k": -1}]}, "requests[1].k"),
        ({"requests": [7]}, "requests[0]"),
    ],
)
def test_a_problem_names_the_field_and_the_remedy(api, asked, field):
    reply = api.post("/recommend", json=asked)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["field"] == field
    assert reply.json()["remedy"]
