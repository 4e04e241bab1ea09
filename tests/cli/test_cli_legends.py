"""``evaluate`` and ``areas`` with a crosswalk: maps and labels of different legends."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from scene_files import UTM, X0, Y0, write

from hierars_geo.cli import main
from hierars_geo.taxonomy import Crosswalk, Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")
COVER = Taxonomy.from_yaml("esa_worldcover")
WALK = Crosswalk.between("esa_worldcover", "mm5b")
NUMBERS, NAMES = WALK.common_classes()


@pytest.fixture
def rasters(tmp_path):
    """A map of MM-5B and one of WorldCover on one grid, and their values."""
    rng = np.random.default_rng(3)
    ours = rng.integers(1, 19, (40, 50))
    theirs = rng.choice([0, *COVER.class_values(2)], (40, 50))
    return {
        "ours": write(tmp_path / "ours.tif", ours.astype("uint8"), nodata=0),
        "theirs": write(tmp_path / "theirs.tif", theirs.astype("uint8")),
    }, {"ours": ours, "theirs": theirs}


def common(values):
    """Number of the common class of pixels of WorldCover; -1 where it decides none."""
    found = np.full(values.shape, -1)
    for index, value in enumerate(COVER.class_values(2)):
        met = np.unique(NUMBERS[WALK.class_paths(2, index)])
        if len(met) == 1:
            found[values == value] = met[0]
    return found


@pytest.mark.parametrize("turned", [False, True])
def test_scores_of_the_common_classes_equal_those_by_hand(rasters, tmp_path, turned):
    files, values = rasters
    maps, labels = ("theirs", "ours") if turned else ("ours", "theirs")
    out = tmp_path / "m.json"
    tree = "esa_worldcover" if turned else "mm5b"
    command = ["evaluate", str(files[maps]), str(files[labels]), "--taxonomy", tree]
    assert main([*command, "--crosswalk", "esa_worldcover_to_mm5b", "-o", str(out)]) == 0
    found = json.loads(out.read_text())["common_classes"]["levels"]["L1"]
    ours, theirs = NUMBERS[values["ours"] - 1], common(values["theirs"])
    both = theirs >= 0
    assert found["oa"] == pytest.approx((ours == theirs)[both].mean())
    assert sum(map(sum, found["confusion"])) == both.sum()
    assert [one["name"] for one in found["classes"]][:-1] == NAMES


def test_levels_are_scored_where_the_label_decides_them(rasters, tmp_path):
    files, values = rasters
    out = tmp_path / "m.json"
    command = ["evaluate", str(files["ours"]), str(files["theirs"]), "--taxonomy", "mm5b"]
    assert main([*command, "--crosswalk", "esa_worldcover_to_mm5b", "-o", str(out)]) == 0
    levels = json.loads(out.read_text())["levels"]
    for level in (1, 2, 3):
        shared = {
            value: MM5B.shared_levels(WALK.class_paths(2, index))[level - 1]
            for index, value in enumerate(COVER.class_values(2))
        } | {0: -100}
        told = np.vectorize(shared.get)(values["theirs"])
        mine = MM5B.paths[values["ours"] - 1, level - 1]
        assert sum(map(sum, levels[f"L{level}"]["confusion"])) == (told >= 0).sum()
        if (told >= 0).any():
            assert levels[f"L{level}"]["oa"] == pytest.approx((mine == told)[told >= 0].mean())


def test_areas_of_two_legends_stand_in_the_same_classes(rasters, tmp_path):
    files, values = rasters
    box = shapely.box(X0, Y0 - 400, X0 + 500, Y0)
    gpd.GeoDataFrame({"name": ["all"]}, geometry=[box], crs=UTM).to_file(tmp_path / "by.gpkg")
    shares = {}
    for kind, tree in (("ours", "mm5b"), ("theirs", "esa_worldcover")):
        out = tmp_path / f"{kind}.csv"
        command = ["areas", str(files[kind]), "--by", str(tmp_path / "by.gpkg"), "--taxonomy", tree]
        assert main([*command, "--crosswalk", "esa_worldcover_to_mm5b", "-o", str(out)]) == 0
        table = pd.read_csv(out).set_index("class_name")["area_m2"]
        shares[kind] = table / table.sum()
    assert set(shares["ours"].index) <= set(NAMES)
    numbers = common(values["theirs"])
    inside = values["theirs"] != 0
    for number, name in enumerate(NAMES):
        expected = (numbers == number).sum() / inside.sum()
        assert shares["theirs"].get(name, 0) == pytest.approx(expected, abs=1e-3)
        assert shares["ours"][name] == pytest.approx((NUMBERS[values["ours"] - 1] == number).mean(), abs=1e-3)
    assert shares["theirs"]["undecided"] == pytest.approx((numbers < 0)[inside].mean(), abs=1e-3)


def test_a_map_of_a_third_legend_is_refused(rasters, tmp_path, capsys):
    files, _ = rasters
    command = ["evaluate", str(files["ours"]), str(files["theirs"]), "--taxonomy", "whdld"]
    assert main([*command, "--crosswalk", "esa_worldcover_to_mm5b", "-o", str(tmp_path / "m.json")]) == 1
    assert "map in the classes of esa_worldcover or mm5b, but got one of whdld" in capsys.readouterr().err
