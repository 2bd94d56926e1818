"""README's table of memories is made of a committed record that new runs are merged into."""

import json
from pathlib import Path

from benchmarks import memories_table

README = Path(__file__).parents[1] / "README.md"


def ran(work, name, *, ndcg):
    run = work / "beauty" / name
    (run / "evaluate" / "test").mkdir(parents=True)
    (run / "cost.json").write_text(json.dumps({"cpu_seconds": 90}))
    model = {"metrics": {"hit_rate@10": 0.5, "ndcg@10": ndcg}}
    (run / "evaluate" / "test" / "metrics.json").write_text(
        json.dumps({"systems": {"model": model}})
    )


def test_the_table_in_the_readme_is_the_one_of_the_record():
    table = "\n".join(memories_table.lines(memories_table.read()))
    assert f"{memories_table.BEGIN}\n\n{table}\n\n{memories_table.END}" in README.read_text("utf-8")


def test_a_new_run_replaces_its_own_figures_and_no_others(tmp_path):
    old = {"hit_rate@10": 0.4, "ndcg@10": 0.3, "cpu_seconds": 60}
    both = {"ml-100k": dict(old), "beauty": dict(old)}
    known = {"floors": {}, "memories": {"gru": both, "rnn": {"beauty": old}}, "speed": {}}
    ran(tmp_path, "gru", ndcg=0.25)

    merged = memories_table.merged(known, tmp_path)

    assert merged["memories"]["gru"]["beauty"]["ndcg@10"] == 0.25
    assert merged["memories"]["gru"]["ml-100k"] == merged["memories"]["rnn"]["beauty"] == old
    assert known["memories"]["gru"]["beauty"]["ndcg@10"] == 0.3
    assert memories_table.lines(merged)[2:] == [
        "| `gru` | 0.4000 | 0.3000 | 0.5000 | 0.2500 | 1.0 + 1.5 |  |  |  |  |",
        "| `rnn` |  |  | 0.4000 | 0.3000 | 1.0 |  |  |  |  |",
    ]
