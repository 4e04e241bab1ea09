"""Scores of early-season maps by their day: table, plot, and which maps are of a season at all."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from raster_factory import write_raster
from scene_files import tree

from hierars_geo.accuracy import draw_by_date, evaluate_by_date
from hierars_geo.cli import main
from hierars_geo.errors import DataError

#: Folder -> the day asked for, days of the images, and the share of pixels that the map has right.
MAPS = {
    "whole": (None, ["2020-04-01", "2020-06-20", "2020-09-10"], 1.0),
    "a/june": ("2020-06-30", ["2020-04-01", "2020-06-20"], 0.75),
    "a/april": ("2020-04-30", ["2020-04-01"], 0.5),
}


def write_maps(folder, classes, until, days):
    write_raster(folder / "season_L2.tif", classes[None], nodata=0)
    dated = {"hierars:dates": days, "hierars:options": {"until": until}}
    (folder / "season.json").write_text(json.dumps({"type": "Feature", "properties": dated, "assets": {}}))


@pytest.fixture
def case(tmp_path):
    """Maps whose first rows are one class off, and their labels."""
    (tmp_path / "tree.yaml").write_text(tree().to_yaml())
    labels = np.random.default_rng(0).integers(1, 5, (32, 40)).astype(np.uint8)
    write_raster(tmp_path / "labels.tif", labels[None], nodata=0)
    for name, (until, days, right) in MAPS.items():
        classes = labels.copy()
        wrong = round((1 - right) * 32)
        classes[:wrong] = classes[:wrong] % 4 + 1
        write_maps(tmp_path / "early" / name, classes, until, days)
    return tmp_path


def test_a_table_and_a_plot_of_every_day(case, capsys):
    command = ["evaluate", str(case / "early"), str(case / "labels.tif"), "--by-date"]
    command += ["--taxonomy", str(case / "tree.yaml"), "-o"]
    assert main([*command, str(case / "by_date.csv")]) == 0
    shown = capsys.readouterr().out
    table = pd.read_csv(case / "by_date.csv")
    leaves = table[table.level == 2].groupby("until").oa.first()
    assert leaves.to_dict() == {"2020-04-30": 0.5, "2020-06-30": 0.75, "2020-09-10": 1.0}
    assert shown.index("2020-04-30") < shown.index("2020-06-30") < shown.index("2020-09-10")
    assert imread(case / "by_date.png").std() > 0.05
    assert main([*command, str(case / "by_date.json")]) == 1  # the plot is there
    assert "by_date.png" in capsys.readouterr().err
    assert main([*command, str(case / "by_date.json"), "--overwrite"]) == 0
    content = json.loads((case / "by_date.json").read_text())["by_date"]
    assert [entry["until"] for entry in content] == ["2020-04-30", "2020-06-30", "2020-09-10"]


def test_from_python_as_a_figure(case):
    folders = [case / "early" / name for name in MAPS]
    scores = evaluate_by_date(folders, case / "labels.tif", case / "tree.yaml")
    assert list(scores) == [date(2020, 4, 30), date(2020, 6, 30), date(2020, 9, 10)]
    oa, miou = draw_by_date(scores, ["top", "leaf"]).axes
    assert [line.get_ydata().tolist() for line in oa.lines][1] == [50, 75, 100]
    assert [text.get_text() for text in oa.figure.legends[0].get_texts()] == ["top", "leaf"]
    assert oa.lines[0].get_linewidth() > oa.lines[1].get_linewidth() + 1  # both are seen where they are equal
    assert [round(value) for value in miou.lines[1].get_ydata()] == [
        round(100 * each.levels[1].miou) for each in scores.values()
    ]


def test_what_is_no_map_of_a_season_is_one_line(case, capsys):
    labels, options = case / "labels.tif", (case / "tree.yaml",)
    write_maps(case / "early" / "again", np.ones((32, 40), np.uint8), None, ["2020-06-30"])
    with pytest.raises(DataError, match=r"two until 2020-06-30 .*a/june.*again|two until .*again.*june"):
        evaluate_by_date(case / "early", labels, *options)
    write_maps(case / "early" / "again", np.ones((32, 40), np.uint8), None, [])
    with pytest.raises(DataError, match=r"item lists hierars:dates, but got none \(in .*again"):
        evaluate_by_date(case / "early", labels, *options)
    command = ["evaluate", str(case / "early"), str(labels), "-o", str(case / "s.csv"), "--by-date"]
    assert main([*command, "--by", "districts.gpkg"]) == 2
    assert "Expected --by or --by-date, but got both" in capsys.readouterr().err
