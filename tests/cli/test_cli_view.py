"""The view command: thin, so only what the command adds."""

import socket

import pytest

from hierars_geo.cli import main


def test_failures_are_one_line_and_a_status(tmp_path, capsys):
    for arguments, status, words in (
        ([str(tmp_path)], 1, "to hold class rasters"),
        ([str(tmp_path / "none")], 1, "but it does not exist"),
        ([str(tmp_path), "--port", "70000"], 2, "--port to be 0..65535"),
        ([], 2, "maps"),
    ):
        assert main(["view", *arguments]) == status
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert words in error


def test_a_missing_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hierars_geo.cli.view.find_spec", lambda name: None if name == "rio_tiler" else name)
    assert main(["view", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "hierars-geo[view]" in error
    assert "rio_tiler" in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_refused():
    viewer = pytest.importorskip("hierars_geo.viewer")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match=r"to be free.*--port 0"):
            viewer.listen(other.getsockname()[1])


def test_only_this_machine_can_reach_the_page():
    viewer = pytest.importorskip("hierars_geo.viewer")
    with viewer.listen(0) as opened:
        host, port = opened.getsockname()
        assert host == "127.0.0.1"
        assert viewer.url_of(opened) == f"http://127.0.0.1:{port}/"
