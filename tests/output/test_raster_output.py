import json
import os

import pytest

from hierars_geo.errors import OutputError
from hierars_geo.output import atomic_path, check_writable_folder, refuse_existing, write_json


def test_folder_is_made_and_left_empty(tmp_path):
    assert check_writable_folder(tmp_path / "a/b") == tmp_path / "a/b"
    assert os.listdir(tmp_path / "a/b") == []
    assert check_writable_folder(tmp_path / "a/b")


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(OutputError, match=r"/a to be a folder that can be written, but got: File exists"):
        check_writable_folder(tmp_path / "a")
    with pytest.raises(
        OutputError, match=r"/a/b to be a folder that can be written, but got: Not a directory"
    ):
        check_writable_folder(tmp_path / "a/b")


def test_a_read_only_folder(tmp_path, monkeypatch):
    def read_only(*args, **kwargs):  # root may write anywhere, so that permissions cannot be used here
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", read_only)
    with pytest.raises(OutputError, match=r"can be written, but got: Permission denied\. Choose another"):
        check_writable_folder(tmp_path)
    monkeypatch.setattr("tempfile.mkdtemp", read_only)
    with pytest.raises(
        OutputError, match=r"a\.tif to be in a folder that can be written, but got: Permission"
    ):
        atomic_path(tmp_path / "a.tif").__enter__()


def test_refuse_existing(tmp_path):
    paths = [tmp_path / f"{n}.tif" for n in range(7)]
    refuse_existing(paths, overwrite=False)
    paths[1].touch()
    paths[3].touch()
    with pytest.raises(OutputError, match=r"but got .*1\.tif, .*3\.tif\. Remove them, .* give --overwrite"):
        refuse_existing(paths, overwrite=False)
    for path in paths:
        path.touch()
    with pytest.raises(OutputError, match=r"4\.tif and 2 more\. Remove"):
        refuse_existing(paths, overwrite=False)
    refuse_existing(paths, overwrite=True)


def test_atomic_path_replaces_only_at_the_end(tmp_path):
    final = tmp_path / "a.tif"
    final.write_text("old")
    with atomic_path(final) as path:
        assert path.name == "a.tif"
        path.write_text("new")
        path.with_name("a.tif-journal").write_text("helper")
        assert final.read_text() == "old"
    assert final.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.tif"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_atomic_path_leaves_nothing_behind(tmp_path, error):
    def write_half():
        with atomic_path(tmp_path / "a.tif") as path:
            path.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == []


def test_atomic_path_without_a_file(tmp_path):
    with (
        pytest.raises(OutputError, match=r"a\.tif to be writable, but got: No such file"),
        atomic_path(tmp_path / "a.tif"),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_what_is_written_whole_fails_in_one_line_and_leaves_nothing(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(OutputError, match=r"a\.json to be writable, but got: no space"), atomic_path(path):
        raise OSError("no space")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"share": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(path, {"name": "Wälder", "areas": [1.5]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"name": "Wälder", "areas": [1.5]}
    assert "Wälder" in path.read_text(encoding="utf-8")
