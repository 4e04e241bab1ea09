"""The whole way through the command line: scenes, training, maps, polygons, scores, report."""

import json
import re
import subprocess
import sys
import time

import geopandas
import numpy as np
import pytest
import rasterio

from hierars_geo.cli import COMMANDS, main
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("mm5b")


@pytest.fixture(scope="module")
def results(workplace, maps):
    """Polygons, scores and report beside the maps."""
    image, labels = workplace.image(workplace.test), workplace.labels(workplace.test)
    polygons, scores = str(maps / "scene.gpkg"), str(maps / "metrics.json")
    assert main(["vectorize", str(maps), "-o", polygons, "--min-area-m2", "1000"]) == 0
    assert main(["evaluate", str(maps), labels, "--taxonomy", "mm5b", "-o", scores]) == 0
    assert main(["report", str(maps), "--image", image, "--labels", labels, "--metrics", scores]) == 0
    return maps


def test_leaves_the_files_of_the_contract(results):
    names = {path.name for path in results.iterdir()}
    layers = [f"test_0_S2_{layer}" for layer in ("L1", "L2", "L3", "conf_L1", "conf_L2", "conf_L3", "depth")]
    expected = {f"{layer}.tif" for layer in layers} | {"test_0_S2.json", "scene.gpkg", "metrics.json"}
    assert expected | {"report.html", "test_0_S2_L1.qml", "test_0_S2_L1.tif.aux.xml"} <= names
    assert not [name for name in names if name.startswith(".")]


def test_every_pixel_takes_a_legal_path_on_the_grid_of_the_scene(workplace, results):
    with rasterio.open(workplace.image(workplace.test)) as scene:
        grid = (scene.crs, scene.transform, scene.shape)
    levels = []
    for level in (1, 2, 3):
        with rasterio.open(results / f"test_0_S2_L{level}.tif") as dataset:
            assert (dataset.crs, dataset.transform, dataset.shape) == grid
            assert dataset.nodata == TREE.nodata_value
            levels.append(dataset.read(1))
    found = set(zip(*(level.ravel().tolist() for level in levels), strict=True))
    legal = {
        tuple(int(TREE.index_to_value(np.array(index), level)) for level, index in enumerate(path, start=1))
        for path in TREE.paths.tolist()
    }
    assert found <= legal | {(TREE.nodata_value,) * 3}
    assert found & legal


def test_polygons_nest(results):
    layers = [geopandas.read_file(results / "scene.gpkg", layer=f"L{level}") for level in (1, 2, 3)]
    areas = [layer.geometry.area.sum() for layer in layers]
    assert areas == pytest.approx([areas[0]] * 3, rel=1e-12)
    for above, below in ((layers[0], layers[1]), (layers[1], layers[2])):
        columns = {"class_value", "class_name", "level", "parent_value", "area_m2", "confidence"}
        assert columns <= set(below.columns)
        for polygon in below.itertuples():
            home = above[above.class_value == polygon.parent_value]
            inside = home.geometry.intersection(polygon.geometry).area.max()
            assert inside == pytest.approx(polygon.geometry.area, rel=1e-9)


def test_metrics_have_their_form(results):
    content = json.loads((results / "metrics.json").read_text(encoding="utf-8"))
    assert content["taxonomy"] == "mm5b"
    assert content["pixels"] > 0
    assert list(content["levels"]) == ["L1", "L2", "L3"]
    for level, (name, scores) in enumerate(content["levels"].items(), start=1):
        assert all(0 <= scores[key] <= 1 for key in ("oa", "miou", "mf1")), name
        confusion = np.array(scores["confusion"])
        assert confusion.shape == (TREE.num_classes[level - 1],) * 2
        assert confusion.sum() == content["pixels"]
        assert scores["oa"] == pytest.approx(np.trace(confusion) / confusion.sum())
        assert [entry["name"] for entry in scores["classes"]] == list(TREE.class_names(level))
        assert [entry["support"] for entry in scores["classes"]] == confusion.sum(axis=1).tolist()
        assert {"iou", "f1", "precision", "recall", "value"} <= set(scores["classes"][0])


def test_the_report_needs_no_other_file(results):
    text = (results / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert any(source.startswith("data:image/png") for source in sources)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert not re.search(r"url\((?!['\"]?data:)|@import|<script[^>]+src", text)


def test_demo_goes_the_whole_way(tmp_path, capsys):
    sizes = ["--steps", "4", "--size-m", "1280", "--scenes", "1", "--chip-size", "32"]
    options = [*sizes, "--encoder", "tu-test_resnet"]
    assert main(["demo", str(tmp_path / "demo"), *options]) == 0
    made = ("scenes", "model.ckpt", "calibrated.ckpt", "maps", "report.html", "maps/test_0.gpkg")
    for name in (*made, "maps/metrics.json", "maps/test_0_S2_aoa.tif"):
        assert (tmp_path / "demo" / name).exists(), name
    told = capsys.readouterr().out
    assert str(tmp_path / "demo" / "report.html") in told
    assert re.search(r"of the mapped scene \d+\.\d % is unlike the training ground", told)
    assert main(["demo", str(tmp_path / "demo"), *options]) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_top_level_help_answers_at_once():
    command = [sys.executable, "-m", "hierars_geo", "--help"]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert min(times) < 1.0


@pytest.mark.parametrize(
    "command", ["", *(name for name in COMMANDS if name not in ("fit", "validate", "test"))]
)
def test_help_imports_nothing_heavy(command):
    program = (
        "import sys; from hierars_geo.cli import main; status = main(sys.argv[1:]);"
        "heavy = {'torch', 'torchgeo', 'lightning', 'rasterio', 'geopandas'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy or status else 0)"
    )
    arguments = [argument for argument in (command, "--help") if argument]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "examples:" in done.stdout


def test_every_example_in_the_help_names_a_command(capsys):
    assert main(["--help"]) == 0
    examples = re.findall(r"^  hierars-geo (\S+) ", capsys.readouterr().out, re.MULTILINE)
    assert examples
    assert set(examples) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_keep_their_lines(command, capsys):
    assert main([command, "--help"]) == 0
    assert re.search(r"^examples:\n  hierars-geo ", capsys.readouterr().out, re.MULTILINE)
