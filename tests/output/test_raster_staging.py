"""Hidden folders that results are made in: those of killed processes go, those at work stay."""

import pytest
from filelock import Timeout

from hierars_geo.errors import OutputError
from hierars_geo.output import atomic_path, lock_in, staging_folder


def abandoned(final, word="abcdefg1"):
    """What a kill leaves."""
    folder = final.parent / f".{final.name}.{word}.part"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / final.name).write_text("half")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_next_write_takes_away_what_a_kill_left(tmp_path):
    final = tmp_path / "a [1].tif"
    abandoned(final)
    unlocked = abandoned(final, "hijklmn2")
    (unlocked / ".lock").unlink()  # killed before it was locked
    with atomic_path(final) as unfinished:
        unfinished.write_text("whole")
    assert names(tmp_path) == [final.name]
    assert final.read_text() == "whole"


def test_what_another_process_holds_stays(tmp_path):
    final = tmp_path / "a.tif"
    with staging_folder(final) as first, staging_folder(final) as second:
        assert first != second
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == []


def test_what_is_of_another_name_stays(tmp_path):
    others = [abandoned(tmp_path / name) for name in ("b.tif", "a.tif.tif", "aXtif")]
    strange = abandoned(tmp_path / "a.tif", "longer_word")
    with staging_folder(tmp_path / "a.tif"):
        pass
    assert names(tmp_path) == sorted(path.name for path in (*others, strange))


def test_a_lock_is_of_one_holder_until_it_is_released(tmp_path):
    first = lock_in(tmp_path)
    with pytest.raises(Timeout):
        lock_in(tmp_path)
    first.release()
    lock_in(tmp_path).release()


def test_no_folder_to_write_in_is_said(tmp_path):
    with (
        pytest.raises(OutputError, match=r"none/a\.tif to be in a folder that can be written"),
        atomic_path(tmp_path / "none" / "a.tif"),
    ):
        pass
