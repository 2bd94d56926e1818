import pytest

from recsys.errors import ConfigError
from recsys.folder import fingerprints, published


def write(out, *, text, overwrite=False):
    with published(out, overwrite=overwrite) as folder:
        (folder / "manifest.json").write_text(text)
        assert not out.exists() or (out / "manifest.json").read_text() != text


def test_a_folder_appears_only_when_it_is_complete(tmp_path):
    write(tmp_path / "deep" / "out", text="new")
    assert (tmp_path / "deep" / "out" / "manifest.json").read_text() == "new"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def fail(out, *, overwrite=False):
    with published(out, overwrite=overwrite) as folder:
        (folder / "half").write_text("half")
        raise KeyError


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyError):
        fail(tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path):
    write(tmp_path / "out", text="old")
    with pytest.raises(ConfigError, match="exists: choose another folder or set overwrite=true"):
        write(tmp_path / "out", text="new")
    write(tmp_path / "out", text="new", overwrite=True)
    assert (tmp_path / "out" / "manifest.json").read_text() == "new"


def test_a_failure_keeps_the_folder_that_was_to_be_replaced(tmp_path):
    write(tmp_path / "out", text="old")
    with pytest.raises(KeyError):
        fail(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "manifest.json").read_text() == "old"


def test_a_folder_of_another_kind_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError, match=r"holds no manifest\.json"):
        write(tmp_path / "photos", text="new", overwrite=True)


def test_fingerprints_cover_every_file_but_the_manifest(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"abc")
    (tmp_path / "manifest.json").write_text("{}")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprints(tmp_path) == {"inner/a": expected}
