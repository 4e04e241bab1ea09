"""The table of cases: its tests are there, documentation counts them; and cases without another home."""

import ast
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from raster_factory import write_raster
from tree_factory import tree_of

from hierars_geo.maps import finalise_class_cog
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.vector import class_areas

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))
from table import read_cases  # noqa: E402 (beside this file, as tests are no package)

CASES = read_cases()
RELIABILITY = TESTS.parent / "docs" / "reliability.md"


@cache
def names_in(file):
    """Functions of a test file, and all texts of the file and of those beside it, of which parameters are."""
    path = TESTS / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    texts = "".join(other.read_text(encoding="utf-8") for other in sorted(path.parent.glob("*.py")))
    return functions, texts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_is_held_by_tests_that_exist(case):
    assert bool(case.nodes) != bool(case.left)
    for node in case.nodes:
        file, _, test = node.partition("::")
        test, _, parameter = test.rstrip("]").partition("[")
        functions, texts = names_in(file)
        assert test in functions, node
        # parameters that are put together, "dated NAME" and "SENSOR, a stack without names", by their parts
        for part in parameter.removeprefix("dated ").split("landsat7, "):
            assert part in texts, node


def test_ids_are_unique_and_the_documentation_counts_them():
    assert len({case.id for case in CASES}) == len(CASES)
    held = Counter(case.page for case in CASES if case.nodes)
    left = Counter(case.page for case in CASES if case.left)
    rows = re.findall(
        r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \|$", RELIABILITY.read_text(encoding="utf-8"), re.M
    )
    counted = {name: tuple(map(int, numbers)) for name, *numbers in rows}
    for page in dict.fromkeys(case.page for case in CASES):
        assert counted[page] == (held[page] + left[page], held[page], left[page])
    assert counted["**all cases**"] == (len(CASES), held.total(), left.total())


TINY = tree_of("tiny", L1={"field": 7, "water": 3})


def test_small_fields_have_their_share_and_ties_go_to_the_first_class(tmp_path):
    """Fields smaller than a pixel, slivers, beside and at the edge of the map, on nodata, half and half."""
    values = np.full((10, 10), 7, "uint8")
    values[:, 5:] = 3
    values[0] = 0
    left, top = 500_000, 5_600_000
    write_raster(tmp_path / "map.tif", values, crs="EPSG:32633", left=left, top=top, nodata=0)

    def box(x, y, width, height):
        return shapely.box(left + x, top - y - height, left + x + width, top - y)

    fields = {
        "small": box(12, 33, 3, 3),
        "sliver": box(20, 20, 60, 0.01),
        "empty": box(20, 0, 30, 10),
        "touching": box(100, 30, 20, 20),
        "half": box(40, 40, 20, 20),
        "outside": box(-500, -500, 20, 20),
    }
    table = gpd.GeoDataFrame({"name": list(fields)}, geometry=list(fields.values()), crs="EPSG:32633")
    table.to_file(tmp_path / "fields.gpkg")
    found = class_areas(
        tmp_path / "map.tif", tmp_path / "fields.gpkg", tmp_path / "a.csv", TINY, id_column="name"
    )
    areas = found.classes.set_index(["name", "class_name"])["area_m2"]
    scale = areas["half"].sum() / 400  # of UTM, near its central meridian
    assert scale == pytest.approx(1.0008, abs=1e-4)
    expected = {
        ("small", "field"): 9,
        ("sliver", "field"): 0.3,
        ("sliver", "water"): 0.3,
        ("half", "field"): 200,
        ("half", "water"): 200,
    }
    assert (areas / scale).to_dict() == pytest.approx(expected, rel=1e-5)
    most = found.polygons.set_index("name")["L1_class"]
    assert most[["small", "half"]].tolist() == ["field", "field"]
    assert most[["empty", "touching", "outside"]].isna().all()
    assert found.polygons.set_index("name")["mapped_m2"][["empty", "touching", "outside"]].eq(0).all()


def test_six_hundred_classes_have_names_and_colours(tmp_path):
    """Values up to 60 000, beyond a palette of bytes: names lie in the sidecar, colours in the style."""
    classes = [
        {"name": f"class {i}", "value": 100 * (i + 1), "color": [i % 256, i // 256, 99]} for i in range(600)
    ]
    tree = Taxonomy.from_dict({"name": "many", "levels": [{"name": "L1", "classes": classes}]})
    values = (100 * (np.arange(600).reshape(20, 30) + 1)).astype("uint16")
    raw = write_raster(tmp_path / "raw.tif", values, crs="EPSG:32633", nodata=0)
    finalise_class_cog(raw, tmp_path / "map.tif", tree, 1)
    style = ET.parse(tmp_path / "map.qml").getroot()
    entries = {
        int(entry.get("value")): (entry.get("label"), entry.get("color"))
        for entry in style.iter("paletteEntry")
    }
    assert len(entries) == 600
    assert entries[60_000] == ("class 599", "#570263")
    names = ET.parse(tmp_path / "map.tif.aux.xml").getroot().findall(".//CategoryNames/Category")
    assert (names[60_000].text, names[100].text) == ("class 599", "class 0")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_advice_on_a_declared_class_fits_the_file(tmp_path, suffix):
    """The transparent colour of a PNG cannot be taken away, so no tool is named that would try."""
    from hierars_geo.datasets import HierarchicalLabels
    from hierars_geo.errors import HieraRSError

    values = np.array([[3, 7], [7, 3]], "uint8")
    options = {"driver": "PNG"} if suffix == "png" else {}
    path = write_raster(
        tmp_path / f"labels.{suffix}", values, nodata=7, transform=Affine(10, 0, 0, 0, -10, 0), **options
    )
    remedy = "ave it without transparency" if suffix == "png" else r"gdal_edit\.py -unsetnodata"
    with pytest.raises(HieraRSError, match=remedy):
        HierarchicalLabels(path, TINY)
