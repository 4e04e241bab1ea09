"""File names of any kind go through every command and are shown, never run."""
# ruff: noqa: E501 - one case per line is a table to read

import os
import shutil
import stat
import tempfile
from html.parser import HTMLParser

import pyogrio
import pytest
import rasterio

from hierars_geo.cli import main
from hierars_geo.output import atomic_path

#: Stems of scenes.
NAMES = (
    "with blanks  in it",
    "-dash",
    "--overwrite",
    "quotes'\"`",
    "new\nline",
    "tab\tulator",
    "ünïcödé 畑 🌾",
    "<img src=x onerror=alert(1)>",
    "a&amp;b;c|d$(mkdir owned)`mkdir owned`",
    "%s%n{0}{{ 7*7 }}",
    "a#b?c=d",
    "[a]*",
    "..",
    "x_L1",
)


@pytest.fixture(scope="module")
def named(bench, tmp_path_factory):
    """Maps of a scene by each of the names, predicted by one command."""
    folder = tmp_path_factory.mktemp("named")
    scenes = [folder / f"{name}.tif" for name in NAMES]
    for path in scenes:
        shutil.copy(bench["SCENE"], path)
    command = ["predict", bench.words["CKPT"], *map(str, scenes), "-o", str(folder / "maps")]
    assert main([*command, "--device", "cpu"]) == 0
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_a_scene_of_any_name_has_maps_and_polygons(named, bench, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with rasterio.open(named / "maps" / f"{name}_L2.tif") as maps, rasterio.open(bench["SCENE"]) as scene:
        assert (maps.shape, maps.transform, maps.crs) == (scene.shape, scene.transform, scene.crs)
    out = tmp_path / f"{name}.gpkg" if name.isprintable() and name != NAMES[8] else tmp_path / "x.gpkg"
    assert main(["vectorize", str(named / "maps" / f"{name}_L2.tif"), "-o", str(out)]) == 0
    assert [layer for layer, _ in pyogrio.list_layers(out)][:2] == ["L1", "L2"]
    assert {path.name for path in tmp_path.iterdir()} == {out.name}


@pytest.mark.parametrize("name", ["new\nline.gpkg", f"{NAMES[8]}.gpkg"])
def test_a_geopackage_that_sqlite_or_gdal_would_name_otherwise_is_refused(named, tmp_path, capfd, name):
    assert main(["vectorize", str(named / "maps" / "-dash_L2.tif"), "-o", str(tmp_path / name)]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "--debug" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_begins_with_a_dash_is_taken_after_two_dashes(named, bench, tmp_path, monkeypatch):
    monkeypatch.chdir(named)
    command = [
        "predict",
        "--device",
        "cpu",
        "-o",
        str(tmp_path / "out"),
        "--",
        bench.words["CKPT"],
        "-dash.tif",
    ]
    assert main(command) == 0
    assert (tmp_path / "out" / "-dash_L2.tif").exists()


class _Tags(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_the_report_shows_names_and_runs_none(named, tmp_path):
    assert main(["report", str(named / "maps"), "-o", str(tmp_path / "r.html")]) == 0
    page = _Tags((tmp_path / "r.html").read_text(encoding="utf-8"))
    text = " ".join(" ".join(page.text).split())
    for name in NAMES:
        assert " ".join(name.split()) in text
    for tag, attributes in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "form")
        assert not [key for key in attributes if key.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
        assert not attributes.get("href", "#").startswith("javascript")


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # of rio-tiler and rasterio
def test_the_viewer_lists_names_as_data_and_has_no_way_to_other_files(named):
    client = pytest.importorskip("starlette.testclient").TestClient
    viewer = pytest.importorskip("hierars_geo.viewer")
    app = client(viewer.build_app(viewer.find_views([named / "maps"])), base_url="http://127.0.0.1")
    views = app.get("/views").json()["views"]
    assert {view["title"] for view in views} == set(NAMES)
    for address in ("/static/../app.py", "/static/..%2f..%2fapp.py", "/static//etc/passwd", "/static/%00"):
        assert app.get(address).status_code in (400, 404), address


def test_temporary_folders_are_private_and_beside_the_result(bench, tmp_path, monkeypatch):
    """Whatever the umask: nobody else reads or swaps what is being written; no folder of the system is used."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    before = os.umask(0)
    try:
        with atomic_path(tmp_path / "x.txt") as unfinished:
            assert stat.S_IMODE(unfinished.parent.stat().st_mode) == 0o700
            assert unfinished.parent.parent == tmp_path
            unfinished.write_text("x", encoding="utf-8")
        out = tmp_path / "out"
        assert (
            main(["predict", bench.words["CKPT"], bench.words["SCENE"], "-o", str(out), "--device", "cpu"])
            == 0
        )
        assert main(["vectorize", str(out), "-o", str(tmp_path / "x.gpkg")]) == 0
        assert main(["report", str(out)]) == 0
    finally:
        os.umask(before)
    assert not (tmp_path / "gone").exists()
