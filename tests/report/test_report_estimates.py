"""Estimates from points on the page: checked at the door, shown with their intervals."""

import json

import numpy as np
import pytest
from report_factory import Place
from test_report_page import Page

from hierars_geo.errors import DataError, MissingFileError
from hierars_geo.report import write_report
from hierars_geo.report.estimates_section import build_estimates_section, read_estimates
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("whdld")
SIZE = TREE.num_classes[0]


def content():
    """An accuracy.json of a one-level tree; the fourth class was met by no point."""
    counts = np.eye(SIZE, dtype=int) * 45
    counts[0, 1], counts[3, 3] = 5, 0
    estimate = {"value": 0.9, "standard_error": 0.02, "margin_95": 0.0392}
    unknown = dict.fromkeys(estimate)
    area = {"value": 123_456.0, "standard_error": 1000.0, "margin_95": 1960.0}
    classes = [
        {
            "name": name,
            "value": value,
            "mapped_m2": 0.0 if index == 3 else 100_000.0,
            "users_accuracy": unknown if index == 3 else estimate,
            "producers_accuracy": unknown if index == 3 else estimate,
            "area_m2": area,
        }
        for index, (name, value) in enumerate(zip(TREE.class_names(1), TREE.class_values(1), strict=True))
    ]
    level = {
        "design": "strata",
        "points": int(counts.sum()),
        "overall_accuracy": {"value": 0.9531, "standard_error": 0.01, "margin_95": 0.0196},
        "classes": classes,
        "counts": counts.tolist(),
        "proportions": (counts / counts.sum()).tolist(),
    }
    return {
        "scene": "scene",
        "taxonomy": TREE.name,
        "method": "Stehman 2014",
        "confidence_level": 0.95,
        "unlabelled_points": 7,
        "levels": {"L1": level},
    }


@pytest.fixture
def folder(tmp_path):
    return Place(TREE, shape=(40, 60)).write_prediction(tmp_path / "maps", confidence=False)


def write(path, changed=None):
    path.write_text(json.dumps(changed or content()))
    return path


def test_an_accuracy_file_beside_the_maps_is_shown(folder):
    write(folder / "accuracy.json")
    page = Page(write_report(folder, folder / "report.html"))
    assert "Share of the ground that is mapped right: 95.3 ± 2.0 % at L1." in page.text
    assert "7 points without a class were left out" in page.text
    assert "12.35 ± 0.20" in page.text
    assert "90.0 ± 3.9 %" in page.text
    assert "1 classes are neither on the map nor among the points" in page.text
    assert page.pixels("Error matrix of level L1").size


def test_without_one_nothing_is_said_and_a_named_one_must_exist(folder):
    assert "reference points" not in write_report(folder, folder / "report.html").read_text()
    with pytest.raises(MissingFileError, match=r"gone\.json"):
        write_report(folder, folder / "r.html", accuracy=folder / "gone.json")


def test_undefined_is_a_dash(tmp_path):
    changed = content()
    changed["levels"]["L1"]["classes"][3]["mapped_m2"] = 10.0
    section = build_estimates_section(
        read_estimates(write(tmp_path / "a.json", changed), {"scene": TREE}), TREE
    )
    (level,) = section["levels"]
    row = next(row for row in level.rows if row.name == TREE.class_names(1)[3])
    assert row.cells[2:4] == ("\N{EN DASH}", "\N{EN DASH}")
    assert (level.omitted, level.summary[1]) == (0, str(45 * 5 + 5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.update(scene="other"),
            "Expected estimates of scene with taxonomy whdld, but got those of other",
        ),
        (lambda c: c.update(taxonomy="nlcd"), "but got those of scene with nlcd"),
        (lambda c: c["levels"]["L1"]["classes"].pop(), "Expected the 6 classes of taxonomy whdld at L1"),
        (lambda c: c["levels"]["L1"]["counts"].pop(), "Expected the 6 classes of taxonomy whdld at L1"),
        (lambda c: c["levels"]["L1"].pop("points"), r"levels\.L1\.points: Field required"),
    ],
)
def test_estimates_that_do_not_fit_are_refused(tmp_path, change, message):
    changed = content()
    change(changed)
    with pytest.raises(DataError, match=message):
        read_estimates(write(tmp_path / "accuracy.json", changed), {"scene": TREE})
