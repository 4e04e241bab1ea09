"""Where the model is unsure: counts against NumPy, histograms that add up, the worst class first."""

import io
import json
import re

import numpy as np
import pytest
import rasterio
from PIL import Image
from report_factory import Place

from hierars_geo.maps import Maps
from hierars_geo.report import write_report
from hierars_geo.report.confidence import build_doubt_section, survey_confidence
from hierars_geo.report.scene_section import build_scene_section
from hierars_geo.report.survey import histogram_below, histogram_mean
from hierars_geo.taxonomy import Taxonomy

MM5B = Taxonomy.from_yaml("mm5b")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Maps.open(Place(MM5B).write_prediction(tmp_path_factory.mktemp("maps"))).scene


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1).astype(int)


def test_confidences_are_counted_per_class(scene):
    survey = survey_confidence(scene)[2]
    values, classes = read(scene.confidence[2]), read(scene.classes[2])
    np.testing.assert_array_equal(survey.values.histogram, np.bincount(values[values != 255], minlength=101))
    for index, value in enumerate(MM5B.class_values(2)):
        of_class = values[(classes == value) & (values != 255)]
        np.testing.assert_array_equal(survey.by_class[index], np.bincount(of_class, minlength=101))
        if of_class.size:
            assert histogram_mean(survey.by_class[index]) == pytest.approx(of_class.mean())
            assert histogram_below(survey.by_class[index], 50) == pytest.approx((of_class < 50).mean())
        else:
            assert np.isnan(histogram_mean(survey.by_class[index]))
            assert np.isnan(histogram_below(survey.by_class[index], 50))


def test_section_adds_up_and_starts_with_the_worst_class(scene):
    found = survey_confidence(scene)
    surveys = {level: found[level] for level in (1, 3)}
    section = build_doubt_section(surveys, MM5B)
    for _, bars, _ in section.histograms:
        assert len(bars) == 20
        assert sum(bars) == pytest.approx(1)
    values = read(scene.confidence[3])
    values = values[values != 255]
    assert section.histograms[1][1][19] == pytest.approx((values >= 95).mean())
    assert section.histograms[1][1][7] == pytest.approx(((values >= 35) & (values < 40)).mean())
    shares = [
        float(row.cells[1].removeprefix("<\N{NO-BREAK SPACE}").split("\N{NO-BREAK SPACE}")[0])
        for row in section.rows
    ]
    assert shares == sorted(shares, reverse=True)
    of_all = sum(
        float(row.cells[2].removeprefix("<\N{NO-BREAK SPACE}").split("\N{NO-BREAK SPACE}")[0])
        for row in section.rows
    )
    assert of_all == pytest.approx(100, abs=0.1 * len(section.rows))
    steps = [entry.share for entry in section.panel.legend]
    edges = [
        ((values >= low) & (values < high)).mean() for low, high in ((0, 25), (25, 50), (50, 75), (75, 101))
    ]
    assert steps == pytest.approx(edges)


def test_nothing_is_said_without_confidences():
    assert build_doubt_section({}, MM5B) is None


def test_the_page_shows_map_charts_and_table(scene, tmp_path):
    text = write_report(scene.folder, tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<svg viewBox="0 0 220 92"') == 3
    assert "Where the model is unsure" in text
    assert "Class at L3" in text
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" fill="#(?:b5402b|1f5673)"', text)]
    assert len(heights) == 60
    assert max(heights) == 62
    # square roots of the shares: what is one in a hundred of the usual is a tenth as high
    sections = build_doubt_section(survey_confidence(scene), MM5B).histograms
    shares = np.array([bars for _, bars, _ in sections])
    expected = 62 * np.sqrt(shares / shares.max(axis=1, keepdims=True))
    np.testing.assert_allclose(heights, expected.ravel(), atol=0.006)


def test_what_is_unlike_the_training_ground_is_hatched_and_counted(tmp_path):
    place = Place(MM5B)
    folder = place.write_prediction(tmp_path / "maps", depth=True)
    height, width = read(folder / "scene_L1.tif").shape
    mapped = read(folder / "scene_L1.tif") != 0
    aoa = np.ones((height, width), np.uint8)
    aoa[:, : width // 3] = 0
    place.write_tif(folder / "scene_aoa.tif", np.where(mapped, aoa, 255).astype(np.uint8), nodata=255)
    di = np.where(mapped, np.where(aoa == 0, 180, 30), 255).astype(np.uint8)
    place.write_tif(folder / "scene_di.tif", di, nodata=255)
    item = json.loads((folder / "scene.json").read_text())
    promise = "Of all pixels shown, at most 10 % are wrong at the level shown."
    item["properties"]["hierars:notes"] = [f"Adaptive map: {promise}"]
    (folder / "scene.json").write_text(json.dumps(item))
    scene = Maps.open(folder).scene
    section = build_scene_section(scene, None, None)
    share = (mapped & (aoa == 0)).sum() / mapped.sum()
    assert section.outside_total.startswith(f"{100 * share:.1f}")
    first, second = section.trust["sentences"]
    assert first == promise
    assert second.startswith(f"{100 * share:.1f}")
    assert "A promise about the map does not hold there." in second
    assert [len(row.cells) for row in section.area_rows] == [4] * len(section.area_rows)
    finest = next(row for row in section.rows if row.title == "Predicted classes").panels[-1]
    assert finest.hatched
    with Image.open(io.BytesIO(finest.png)) as image:
        picture = np.asarray(image.convert("RGB"))
    stripes = (picture == (35, 35, 35)).all(axis=-1)
    assert 0.2 < stripes[:, : width // 3].mean() < 0.3
    assert not stripes[:, width // 3 :].any()
    page = write_report(folder, tmp_path / "report.html").read_text()
    assert "How far this map can be trusted" in page
    assert '<th class="num">Unlike the training ground</th>' in page
