"""What the options of a job ask for every user; tables are read and checked before long work."""

from typing import NamedTuple

from recsys.runtime import Bundle
from recsys.scoring.candidates import Tables, choose
from recsys.scoring.lists import Question
from recsys.scoring.quotas import read_quotas
from recsys.scoring.roads import Road


class Options(NamedTuple):
    """What a job may be told; ``conf/score.yaml`` says what each means."""

    k: int
    seen: str
    allow: Tables
    deny: Tables
    rerank: str | None
    quota: int | None
    category: str
    batch_size: int
    tile: int | None
    threads: int
    road: str
    part_rows: int


def make_question(bundle: Bundle, *, options: Options) -> Question:
    """The question that these options ask of this bundle.

    Raises:
        InputError: A table cannot be used.
        ConfigError: The tables leave no item, or the bundle lacks the road.
    """
    chosen = choose(bundle.catalogue, allow=options.allow, deny=options.deny, rerank=options.rerank)
    return Question(
        candidates=chosen,
        quotas=read_quotas(bundle.catalogue, quota=options.quota, category=options.category),
        k=options.k,
        exclude_seen=options.seen == "exclude",
        batch_size=options.batch_size,
        tile=options.tile,
        threads=options.threads,
        road=Road(options.road, bundle=bundle, candidates=chosen.items),
    )
