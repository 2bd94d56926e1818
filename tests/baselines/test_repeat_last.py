from recsys.baselines.repeat_last import RepeatLast
from recsys.data.batches import questions
from recsys.evaluation.protocol import evaluate
from recsys.metrics.lists import top_k
from tests.evaluation.tiny import prepared


def test_the_latest_items_come_first_then_popularity():
    world = prepared([[3, 5, 3, 2, 1], [4, 4, 1, 2, 5, 5], [6, 6, 6]], items=7)
    scorer = RepeatLast(history=3).fit(world)
    (question,) = questions(world, "test", batch_size=9, history=scorer.history)

    lists = top_k(scorer.scores(question)[:, 1:], 7) + 1

    # histories before the test: 3 5 3 2, 4 4 1 2 5, 6 6; trained on: 3 5 3, 4 4 1 2, 6
    assert lists.tolist() == [
        [2, 3, 5, 4, 1, 6, 7],
        [5, 2, 1, 3, 4, 6, 7],
        [6, 3, 4, 1, 2, 5, 7],
    ]


def test_it_answers_the_copy_last_world():
    world = prepared([[item, 7 - item, item, item] for item in range(1, 7)], items=6)
    scorer = RepeatLast(history=2).fit(world)

    report = evaluate(scorer, world, part="test", ks=(1,), seen="keep", batch_size=4)

    assert report.summary["hit_rate@1"] == 1
