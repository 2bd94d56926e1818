"""A run folder: made once, opened only when it is whole, resumed only as it began."""

import json

import pytest
import torch

from recsys.errors import ArtifactError, ConfigError
from tests.tiny_training import config, data_set, train


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def prepared(home):
    return data_set(home / "data", users=13)


@pytest.fixture(scope="module")
def trained(home, prepared):
    return train(prepared.folder, home / "trained", "trainer.max_epochs=1")


@pytest.fixture
def made(tmp_path, prepared):
    """A run that has not begun to train."""
    from recsys.run import create_run

    cfg = config(prepared.folder, tmp_path / "made")
    return create_run(tmp_path / "made", config=cfg, prepared=prepared)


def resumed(run, prepared, *words):
    from recsys.run import resume_run

    return resume_run(run.folder, config=config("unused", "unused", *words), prepared=prepared)


def rewrite(run, **facts):
    """The same run with another manifest."""
    (run.folder / "manifest.json").write_text(json.dumps({**run.manifest, **facts}))


def test_a_run_is_opened_as_it_was_made(made, prepared):
    from recsys.run import open_data, open_run

    run = open_run(made.folder)
    assert run.manifest == made.manifest
    assert run.config == made.config
    assert open_data(run).manifest["checksum"] == prepared.manifest["checksum"]


def test_references_are_resolved_when_a_run_is_made(made):
    text = (made.folder / "config.yaml").read_text()
    assert "${" not in text


def test_an_existing_folder_is_refused(made, prepared):
    from recsys.run import create_run

    with pytest.raises(ConfigError, match=r"exists: choose another name, .* resume=true"):
        create_run(made.folder, config=made.config, prepared=prepared)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    from recsys.run import open_run

    with pytest.raises(ArtifactError, match="is no run: make one with recsys train"):
        open_run(tmp_path)


def test_a_run_of_another_format_is_refused(made):
    from recsys.run import open_run

    rewrite(made, format=99)
    with pytest.raises(ArtifactError, match="has format 99, not 1"):
        open_run(made.folder)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("dropout=0.1", "input"),
        ("memory=gru", "memory"),
        ("heads=4", "output"),
        ("loss=bpr", "loss"),
        ("optimizer.lr=0.02", "optimizer"),
        ("seed=8", "seed"),
        ("batch_size=2", "batch_size"),
        ("validation_users=5", "validation_users"),
        ("k=5", "k"),
        ("patience=1", "patience"),
        ("trainer.precision=bf16-mixed", "trainer.precision"),
        ("trainer.gradient_clip_val=1.0", "trainer.gradient_clip_val"),
        ("+trainer.accumulate_grad_batches=2", "trainer.accumulate_grad_batches"),
    ],
)
def test_what_decides_the_result_stays_as_it_began(made, prepared, word, name):
    with pytest.raises(ConfigError, match=f"'{name}' was .* resume with the same settings"):
        resumed(made, prepared, word)


@pytest.mark.parametrize(
    "word",
    ["trainer.max_epochs=50", "trainer.devices=2", "trainer.strategy=ddp", "tracking=mlflow"],
)
def test_how_long_and_where_may_change(made, prepared, word):
    assert resumed(made, prepared, word).folder == made.folder


def test_other_data_are_refused_on_resume(made, prepared):
    other = prepared._replace(manifest={**prepared.manifest, "checksum": "other"})
    with pytest.raises(ArtifactError, match="was trained on other data"):
        resumed(made, other)


def test_data_prepared_again_are_refused(made):
    from recsys.run import open_data

    changed = made._replace(manifest={**made.manifest, "data_checksum": "before"})
    with pytest.raises(ArtifactError, match="was prepared again"):
        open_data(changed)


def test_a_run_without_a_finished_epoch_has_no_model(made):
    from recsys.run import load_model

    with pytest.raises(ArtifactError, match="has no finished epoch yet"):
        load_model(made.folder)


def test_the_loaded_model_is_the_best_one_and_drops_nothing_out(trained, prepared):
    from recsys.data.batches import asked, question
    from recsys.run import assemble, load_model, open_run

    scorer = load_model(trained)
    saved = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    model = assemble(open_run(trained).config, prepared=prepared)
    model.load_state_dict({name.partition(".")[2]: saved[name] for name in saved}, strict=True)
    asks = question(prepared, "test", users=asked(prepared, "test"), history=scorer.history)
    expected = model.eval()(asks.events, torch.arange(prepared.items + 1))
    scores = scorer.scores(asks)
    torch.testing.assert_close(scores.cpu(), expected.detach())
    assert torch.equal(scorer.scores(asks), scores)


def test_a_model_is_assembled_from_the_seed(prepared):
    from recsys.run import assemble

    one, same, other = (
        assemble(config("unused", "unused", f"seed={seed}"), prepared=prepared).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_counts_are_those_of_the_training_part(prepared):
    from recsys.run import training_counts

    counts = training_counts(prepared)
    trained = torch.zeros(prepared.items + 1, dtype=torch.long)
    ends = zip(prepared.histories.offset[:-1], prepared.split.train_end, strict=True)
    for begin, end in ends:
        for item in prepared.histories.item[begin:end]:
            trained[int(item)] += 1
    assert counts.tolist() == trained.tolist()


def test_settings_are_flat_for_a_tracker():
    from recsys.run import settings

    flat = settings(config("a", "b", "memory=gru"))
    assert flat["memory._target_"] == "recsys.memory.gru.Gru"
    assert flat["memory.width"] == flat["width"] == 8
    assert flat["data"] == "a"


def test_a_file_is_replaced_whole(tmp_path):
    from recsys.run import write_json

    file = tmp_path / "facts.json"
    write_json(file, {"a": 1})
    before = file.read_text()
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_checkpoint_is_refused(trained, tmp_path, kept):
    import shutil

    from recsys.run import BEST, load_model

    damaged = tmp_path / "damaged"
    shutil.copytree(trained, damaged)
    whole = (damaged / BEST).read_bytes()
    (damaged / BEST).write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ArtifactError, match=r"is damaged .* train the run again"):
        load_model(damaged)
