"""Numbers of several processes in one file."""

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from serving.measured import families
from serving.metrics import Family, Metrics

SOME = (
    Family("counter", "done", "Things done.", ("what",), (("this", "that"),)),
    Family("histogram", "took", "How long.", edges=(0.1, 1.0)),
    Family("gauge", "held", "Things held."),
)


def opened(path, worker):
    return Metrics(SOME, path, worker=worker, workers=2)


def values(metrics):
    text = metrics.text().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_any_process_tells_the_sum_of_all(tmp_path):
    one, two = (opened(tmp_path / "numbers", worker) for worker in range(2))
    one.add("done", "this", amount=2)
    two.add("done", "this")
    one.set("held", to=5)
    two.set("held", to=7)
    one.observe("took", value=0.1)
    two.observe_all("took", values=np.array([0.05, 0.5, 9.0]))
    assert values(one) == values(two)
    assert values(one) == {
        ("done_total", "this"): 3,
        ("took_bucket", "0.1"): 2,
        ("took_bucket", "1"): 3,
        ("took_bucket", "+Inf"): 4,
        ("took_count",): 4,
        ("took_sum",): 9.65,
        ("held",): 12,
    }


def test_a_process_that_comes_again_counts_on_and_holds_nothing(tmp_path):
    first = opened(tmp_path / "numbers", 0)
    first.add("done", "that", amount=4)
    first.set("held", to=9)
    again = opened(tmp_path / "numbers", 0)
    again.add("done", "that")
    assert values(again)["done_total", "that"] == 5
    assert values(again)["held",] == 0


def test_the_numbers_of_the_service_are_well_formed(tmp_path):
    metrics = Metrics(families(("a", "b")), tmp_path / "numbers", worker=0, workers=1)
    metrics.add("recsys_requests", "a", "200")
    assert values(metrics)["recsys_requests_total", "a", "200"] == 1
