"""QGIS itself opens what is written: layers are valid, legends hold the names and colours of the tree."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raster_factory import write_raster

from hierars_geo.maps import finalise_class_cog, finalise_per_cent_cog
from hierars_geo.report import write_gis_files
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import vectorize

SCRIPT = Path(__file__).parents[2] / "experiments" / "figures" / "qgis_check.py"
MM5B = Taxonomy.from_yaml("mm5b")
SIDE = 60


def system_python():
    """The interpreter that QGIS is installed for, None where there is none."""
    python = shutil.which("python3", path=os.defpath)
    if python is None:
        return None
    probe = subprocess.run([python, "-c", "import qgis.gui"], capture_output=True, check=False)
    return python if probe.returncode == 0 else None


def write_cog(folder, name, values, finish):
    raw = write_raster(folder / f"raw_{name}", values, dtype="uint8")
    finish(raw, folder / name)
    raw.unlink()


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What QGIS says about a folder with all kinds of files, and the picture it drew."""
    python = system_python()
    if python is None:
        pytest.skip("needs QGIS for the system's Python (Debian: python3-qgis)")
    folder = tmp_path_factory.mktemp("maps")
    rows, cols = np.mgrid[:SIDE, :SIDE]
    leaf = (rows // 10 * 6 + cols // 10) % 18
    for level in (1, 2, 3):
        values = MM5B.index_to_value(MM5B.lift(leaf, level), level)
        write_cog(
            folder, f"s_L{level}.tif", values, lambda raw, out, n=level: finalise_class_cog(raw, out, MM5B, n)
        )
        write_cog(folder, f"s_conf_L{level}.tif", rows * 100 // SIDE, finalise_per_cent_cog)
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "s", "geometry": None, "bbox": [117, 36, 118, 37],
        "properties": {"datetime": "2026-01-01T00:00:00Z", "hierars:taxonomy": MM5B.to_dict()},
        "links": [], "assets": {},
    }  # fmt: skip
    (folder / "s.json").write_text(json.dumps(item))
    vectorize(folder, folder / "s.gpkg")
    write_gis_files(folder)
    moved = folder.with_name("moved")
    folder.rename(moved)  # paths in the project are relative
    png = moved.parent / "project.png"
    command = [python, str(SCRIPT), str(moved), "--png", str(png), "--size", "900", "600"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), png


def legend(level):
    colors = ["#{:02x}{:02x}{:02x}".format(*color) for color in MM5B.colors(level)]
    return [list(pair) for pair in zip(MM5B.class_names(level), colors, strict=True)]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_files_open_in_their_colours_on_their_own(seen, level):
    files = seen[0]["files"]
    raster, polygons = files[f"s_L{level}.tif"], files[f"s.gpkg|L{level}"]
    assert (raster["renderer"], polygons["renderer"]) == ("paletted", "categorizedSymbol")
    assert raster["legend"] == polygons["legend"] == legend(level)
    assert files[f"s_conf_L{level}.tif"]["legend"][0] == ["0 %", "#440154"]
    sld = seen[0]["sld"][f"s.gpkg|L{level}"]
    assert (sld["accepted"], sld["legend"]) == (True, legend(level))


def test_the_project_opens_with_its_groups_and_styles(seen):
    project = seen[0]["project"]
    assert project["read"]
    assert (project["title"], project["layouts"]) == ("s", ["A4"])
    assert project["crs"] == "EPSG:32650"
    assert [(name, shown) for name, shown, _ in project["tree"]] == [
        ("Polygons, s", False),
        ("Classes", True),
        ("Confidence", False),
    ]
    assert [(name, shown) for name, shown, _ in project["tree"][1][2]] == [
        ("L1", False),
        ("L2", False),
        ("L3", True),
    ]
    layers = project["layers"]
    assert len(layers) == 9
    assert all(layer["valid"] and layer["crs"] == "EPSG:32650" for layer in layers.values())
    for level in (1, 2, 3):
        assert layers[f"Classes/L{level}"]["legend"] == legend(level)
        rows = layers[f"Classes/L{level}"]["rows"]
        assert rows == [f"L{level}: {MM5B.num_classes[level - 1]} classes", *MM5B.class_names(level)]
        assert layers[f"Confidence/Confidence L{level}"]["rows"][0] == f"Confidence L{level}"
        assert layers[f"Polygons, s/L{level}"]["legend"] == legend(level)


def test_the_map_is_drawn_in_the_colours_of_the_classes(seen):
    with Image.open(seen[1]) as image:
        pixels = np.asarray(image.convert("RGB"))[:, 360:].reshape(-1, 3)
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    drawn = {tuple(color) for color, count in zip(colors.tolist(), counts, strict=True) if count > 1000}
    assert set(MM5B.colors(3)) <= drawn
