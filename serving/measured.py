"""Which numbers the service keeps."""

from typing import Final

from serving.metrics import Family

SECONDS: Final = (
    *(0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SCORES: Final = (-20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50)
STATUSES: Final = tuple(
    str(status)
    for status in (200, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 429, 431, 500, 503)
)
STAGES: Final = ("wait", "recall", "model", "render", "append")
BATCHERS: Final = ("recommend", "events", "aside")


KEPT: Final = (
    Family(
        "histogram",
        "recsys_stage_seconds",
        "wait is of each request, the other stages are of batches.",
        ("stage",),
        (STAGES,),
        SECONDS,
    ),
    Family(
        "histogram",
        "recsys_batch_requests",
        "Requests answered at once.",
        ("kind",),
        (BATCHERS[:2],),
        SIZES,
    ),
    Family(
        "gauge", "recsys_waiting", "Requests that wait for their batch.", ("kind",), (BATCHERS,)
    ),
    Family("gauge", "recsys_connections", "Open connections."),
    Family(
        "counter",
        "recsys_events",
        "Events by what became of them.",
        ("what",),
        (("written", "repeated"),),
    ),
    Family(
        "counter",
        "recsys_events_unknown",
        "Events whose item or behaviour the model does not know.",
    ),
    Family(
        "counter",
        "recsys_lists",
        "Lists by whether the user had an event that the model knows.",
        ("user",),
        (("known", "unknown"),),
    ),
    Family("histogram", "recsys_best_score", "Score of the first item of each list.", edges=SCORES),
    Family("counter", "recsys_store_errors", "Calls of the state store that failed."),
    Family(
        "counter",
        "recsys_swaps",
        "Bundles that came while serving, by whether they are used.",
        ("what",),
        (("taken", "refused"),),
    ),
)


def families(routes: tuple[str, ...]) -> tuple[Family, ...]:
    """All numbers; ``routes`` are the names of what can be asked."""
    requests = Family(
        "counter",
        "recsys_requests",
        "Requests by route and status.",
        ("route", "status"),
        (routes, STATUSES),
    )
    seconds = Family(
        "histogram",
        "recsys_request_seconds",
        "From the first byte of a request to its reply.",
        ("route",),
        (routes,),
        SECONDS,
    )
    return (requests, seconds, *KEPT)
