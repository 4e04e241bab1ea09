"""Scores at the door, their comparison, and numbers as people read them."""

import json

import geopandas
import numpy as np
import pytest
import shapely
from report_factory import Place

from hierars_geo.cli import main
from hierars_geo.errors import DataError, MissingFileError
from hierars_geo.report import formats, write_report
from hierars_geo.report.accuracy_section import build_accuracy_section, compare
from hierars_geo.report.formats import UNDEFINED
from hierars_geo.report.scene_section import flatten_provenance
from hierars_geo.report.scores import read_evaluation
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")


@pytest.fixture
def metrics():
    return Place(MM5B).metrics()


def test_file_and_mapping_are_read_alike(metrics, tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(metrics))
    assert read_evaluation(path, MM5B) == read_evaluation(metrics, MM5B)


def test_a_table_of_scores_says_what_the_json_does(tmp_path):
    place = Place(MM5B, (60, 80))
    maps = place.write_prediction(tmp_path / "maps")
    labels = place.write_labels(tmp_path / "labels.tif")
    box = shapely.box(300_000, 2_399_400, 300_400, 2_400_000)
    geopandas.GeoDataFrame({"split": ["train"]}, geometry=[box], crs=place.crs).to_file(tmp_path / "s.gpkg")
    for name in ("m.json", "m.csv"):
        command = [
            "evaluate",
            str(maps),
            str(labels),
            "--by",
            str(tmp_path / "s.gpkg"),
            "--id",
            "split",
            "-o",
        ]
        assert main([*command, str(tmp_path / name)]) == 0
    table, full = (read_evaluation(tmp_path / name, MM5B) for name in ("m.csv", "m.json"))
    for ours, theirs in ((table, full), (table.regions[0], full.regions[0])):
        assert ours.region == theirs.region
        assert ours.pixels == theirs.pixels
        for level in ("L1", "L2", "L3"):
            assert ours.levels[level].oa == pytest.approx(theirs.levels[level].oa)
            assert [c.support for c in ours.levels[level].classes] == [
                c.support for c in theirs.levels[level].classes
            ]
            assert [c.iou for c in ours.levels[level].classes] == pytest.approx(
                [c.iou for c in theirs.levels[level].classes]
            )
    page = write_report(maps, tmp_path / "r.html", metrics=tmp_path / "m.csv").read_text(encoding="utf-8")
    assert "of the compared pixels are ground that the model was trained on" in page
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"odd\.csv to be a table"):
        read_evaluation(tmp_path / "odd.csv", MM5B)


def test_scores_that_the_metrics_package_writes_are_read():
    from hierars_geo.metrics import HierarchicalMetrics  # loads torch, which the report never does

    torch = pytest.importorskip("torch")
    metric = HierarchicalMetrics(MM5B)
    leaf = torch.arange(18).reshape(1, 3, 6)
    levels = torch.stack([torch.from_numpy(MM5B.lift(leaf.numpy(), level)) for level in (1, 2, 3)], dim=1)
    metric.update(levels, leaf)
    evaluation = read_evaluation(metric.compute().to_dict(MM5B), MM5B)
    assert evaluation.level(3).oa == 1
    assert np.array(evaluation.level(3).confusion).shape == (18, 18)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(taxonomy="nlcd"), "Expected scores of taxonomy mm5b, but got scores of nlcd"),
        (
            lambda m: m["levels"].update(L4=m["levels"]["L1"]),
            "Expected scores of levels L1, L2, L3, but got L4",
        ),
        (lambda m: m["levels"]["L1"].update(oa=1.7), r"levels\.L1\.oa"),
        (lambda m: m.pop("levels"), "levels: Field required"),
        (lambda m: m["levels"]["L1"]["classes"][0].update(name="Moon"), "at L1.*but got Moon"),
        (
            lambda m: m["levels"]["L2"]["confusion"].pop(),
            "confusion matrix of 9 x 9 at L2, but got 8 rows of 9",
        ),
    ],
)
def test_scores_that_do_not_fit_are_refused(metrics, change, message):
    change(metrics)
    with pytest.raises(DataError, match=message):
        read_evaluation(metrics, MM5B, "flat model")


def test_a_file_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("{")
    with pytest.raises(DataError, match=r"metrics\.json to be JSON"):
        read_evaluation(path, MM5B)
    with pytest.raises(MissingFileError, match="does not exist"):
        read_evaluation(tmp_path / "none.json", MM5B)


def test_comparison_marks_the_best_and_leaves_gaps(metrics):
    own = read_evaluation(metrics, MM5B)
    poor = read_evaluation(Place(MM5B).metrics(flips=0.4), MM5B)
    partial = read_evaluation(
        {"taxonomy": "mm5b", "levels": {"L3": {"oa": 0.999, "miou": None, "mf1": None}}}, MM5B
    )
    rows = compare([("This map", own), ("Gaussian", poor), ("Flat", partial)], (1, 3))
    assert [row.own for row in rows] == [True, False, False]
    assert [row.best for row in rows] == [{0, 1, 2, 4, 5}, set(), {3}]
    assert rows[2].cells == (*3 * (UNDEFINED,), "0.999", *2 * (UNDEFINED,))


def test_classes_that_do_not_occur_are_counted_not_listed(metrics):
    for level in metrics["levels"].values():
        level["classes"][1] |= {"support": 0, "predicted": 0, "iou": None}
    section = build_accuracy_section(read_evaluation(metrics, MM5B), (), MM5B)
    absent = [row.name for row in section["levels"][0].rows]
    assert "Water" not in absent
    assert section["levels"][0].omitted == 1
    assert section["comparison"] == ()


def test_a_class_without_reference_pixels_shows_a_dash(metrics):
    metrics["levels"]["L1"]["classes"][1] |= {"recall": None, "support": 0}
    section = build_accuracy_section(read_evaluation(metrics, MM5B), (), MM5B)
    assert section["levels"][0].rows[1].cells[3] == UNDEFINED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.score(None), UNDEFINED),
        (formats.score(float("nan")), UNDEFINED),
        (formats.score(0.83751), "0.838"),
        (formats.per_cent(0.4267), "42.7 %"),
        (formats.per_cent(0.0002), "< 0.1 %"),
        (formats.per_cent(0.0), "0.0 %"),
        (formats.hectares(123_456_789.0, 1), "12,345.7"),
        (formats.hectares(3.0, 1), "< 0.1"),
        (formats.hectares(0.0, 1), "0.0"),
        (formats.square_kilometres(5_000.0), "0.50 ha"),
        (formats.square_kilometres(39_300_000.0), "39.3 km²"),
        (formats.metres(9.99956), "10 m"),
        (formats.metres(0.5), "0.5 m"),
        (formats.metres(1000.0), "1.00 km"),
        (formats.kilometres(12_000.0), "12.0 km"),
    ],
)
def test_numbers_read_well(text, expected):
    assert text.replace("\N{NO-BREAK SPACE}", " ") == expected


def test_provenance_is_flat_and_leaves_the_rest_out():
    rows = dict(
        flatten_provenance(
            {
                "datetime": "2021-07-14T00:00:00Z",
                "proj:code": "EPSG:4326",
                "created": "2026-11-22T10:00:00Z",
                "processing:software": {"hierars-geo": "0.1.0"},
                "hierars:options": {"tta": True, "window": None, "levels": [1, 2]},
                "hierars:notes": [],
            }
        )
    )
    assert rows == {
        "Predicted": "2026-11-22T10:00:00Z",
        "Software, hierars-geo": "0.1.0",
        "Options, tta": "yes",
        "Options, window": UNDEFINED,
        "Options, levels": "1, 2",
    }
