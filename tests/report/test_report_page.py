"""The page as a whole: well-formed, self-contained, escaped, complete, and right in its colours."""

import base64
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from report_factory import LONLAT, UTM, Place

from hierars_geo.errors import DataError, MissingFileError, OptionError, OutputError, RasterError
from hierars_geo.report import write_report
from hierars_geo.report.panels import depth_panel
from hierars_geo.report.survey import ValueSurvey
from hierars_geo.taxonomy import Taxonomy

VOID = {"br", "img", "meta", "link", "input", "hr", "path"}
MM5B = Taxonomy.from_yaml("mm5b")


class Page(HTMLParser):
    """Balance of tags, attributes, images by alt text, and the text of the body."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.images, self.text = [], [], {}, ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []
        self.text = " ".join(self.text.replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.images[dict(attrs)["alt"]] = dict(attrs)["src"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f" {data} "

    def pixels(self, alt):
        (src,) = [src for name, src in self.images.items() if name.startswith(alt)]
        png = base64.b64decode(src.removeprefix("data:image/png;base64,"))
        return np.array(Image.open(BytesIO(png)).convert("RGBA"))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A report with everything there can be."""
    folder = tmp_path_factory.mktemp("full")
    place = Place(MM5B)
    place.write_prediction(folder / "maps", depth=True)
    out = write_report(
        folder / "maps",
        folder / "report.html",
        image=place.write_image(folder / "image.tif"),
        labels=place.write_labels(folder / "labels.tif"),
        metrics=place.metrics(),
        baselines=[("per-pixel forest", place.metrics(flips=0.4))],
    )
    return place, Page(out)


def test_every_picture_and_style_is_inside(full):
    _, page = full
    loads = [
        attrs.get(key, "") for _, attrs in page.tags for key in ("src", "href", "srcset", "data", "action")
    ]
    assert all(not url or url.startswith(("data:image/png;base64,", "#")) for url in loads)
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "link"}
    assert len(page.images) > 10


@pytest.mark.parametrize("level", [1, 2, 3])
def test_maps_have_exactly_the_colours_of_their_classes(full, level):
    place, page = full
    for alt, leaf in ((f"L{level}:", place.predicted), (f"Reference, L{level}:", place.reference)):
        index = place.paths(leaf)[level - 1]
        pixels = page.pixels(alt)
        colors = np.array(MM5B.colors(level), dtype=np.uint8)
        assert np.array_equal(pixels[index >= 0, :3], colors[index[index >= 0]])
        assert np.array_equal(pixels[..., 3] > 0, index >= 0)


def test_legend_swatches_have_the_colours_of_the_map(full):
    _, page = full
    for name, color in zip(MM5B.class_names(3), MM5B.colors(3), strict=True):
        if f">{name}<" in page.source:
            swatch = "#{:02x}{:02x}{:02x}".format(*color)
            assert f'style="background:{swatch}"></span><span class="name">{name}<' in page.source


def test_agreement_shares_are_on_the_page(full):
    place, page = full
    known = (place.reference >= 0) & (place.predicted >= 0)
    right = (place.reference == place.predicted)[known].mean()
    assert f"Right at L3 {100 * right:.1f} %" in page.text
    assert f"{100 * right:.1f} % at L3" in page.text  # the sentence above the scores says the same


def test_everything_is_said(full):
    _, page = full
    for text in (
        "EPSG:32648 (WGS 84 / UTM zone 48N)",
        "10 m",
        "200 \N{MULTIPLICATION SIGN} 150 px",
        "Acquired 2021-07-14",
        "Checkpoint SHA-256",
        "per-pixel forest",
        "Adaptive depth",
        "Confidence at L2",
        "Confusion matrix",
        "500 m",
        "97.34 %",
    ):
        assert text in page.text


def test_area_columns_add_up(full):
    place, page = full
    rows = re.findall(
        r'<td class="level">(L\d)(?:.(L\d))?</td><td class="num">([\d.,]+)</td><td class="num">([\d.]+)',
        page.source,
    )
    total = float(re.search(r"Total.*?<td class=\"num\">([\d.,]+)", page.source)[1].replace(",", ""))
    assert total == pytest.approx((place.predicted >= 0).sum() / 100, rel=2e-3)  # pixels of 100 m²
    for level in (1, 2, 3):
        of_level = [row for row in rows if int(row[0][1]) <= level <= int((row[1] or row[0])[1])]
        assert sum(float(row[2].replace(",", "")) for row in of_level) == pytest.approx(total, abs=0.5)
        assert sum(float(row[3]) for row in of_level) == pytest.approx(100, abs=1)


@pytest.mark.parametrize("name", ["whdld", "nlcd", "mm5b", "crop10m"])
@pytest.mark.parametrize("place_on", [UTM, LONLAT], ids=["utm", "degrees"])
def test_any_number_of_levels_with_maps_alone(name, place_on, tmp_path):
    tree = Taxonomy.from_yaml(name)
    place = Place(tree, (40, 50), crs=place_on[0], transform=place_on[1])
    place.write_prediction(tmp_path, confidence=False)
    page = Page(write_report(tmp_path, tmp_path / "report.html"))
    assert len(page.images) == tree.num_levels
    assert "Accuracy" not in page.text
    assert "Reference" not in page.text


def test_some_levels_are_enough(tmp_path):
    place = Place(MM5B)
    place.write_prediction(tmp_path, levels=(1, 3))
    labels = place.write_labels(tmp_path / "labels.tif")
    page = Page(write_report(tmp_path, tmp_path / "report.html", labels=labels))
    # the level between follows from the finest
    assert "Right at L2, wrong at L3" in page.text
    assert np.array_equal(page.pixels("L2:")[..., 3] > 0, place.predicted >= 0)


def test_headings_are_in_order_and_boxes_are_reached_by_keyboard(full):
    _, page = full
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    boxes = [attrs for tag, attrs in page.tags if tag == "div" and attrs.get("class") == "scroll"]
    assert boxes
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)
    head = page.source[: page.source.index("</header>")]
    assert 'class="lead result"' in head  # the result, before anything else
    large = page.source.index('<figure class="large">')
    assert page.source.index("Predicted classes") < large < page.source.index('alt="L1:')


def test_scenes_get_a_section_each(tmp_path):
    for number, name in enumerate(("b_scene", "a_scene")):
        place = Place(MM5B, (40, 50), transform=UTM[1] @ Affine.translation(100 * number, 0))
        place.write_prediction(tmp_path, name)
    image = place.write_image(tmp_path / "image.tif")
    page = Page(write_report(tmp_path, tmp_path / "report.html", image=image, title="Two <places>"))
    assert page.text.index("a_scene") < page.text.index("b_scene")
    assert "Two <places>" in page.text
    assert len([tag for tag, attrs in page.tags if attrs.get("id", "").startswith("scene-")]) == 2
    assert page.text.count("Image, true colour") == 1  # it lies under one of them


def test_hostile_names_are_shown_and_not_run(tmp_path):
    evil = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    tree = Taxonomy.from_dict(
        {
            "name": "evil",
            "title": evil,
            "levels": [
                {"name": "<b>L1", "classes": [{"name": evil, "value": 1, "color": "#ff0000"}]},
                {
                    "name": "L2",
                    "classes": [
                        {"name": f"{evil} {k}", "value": k, "color": [k, 2, 3], "parent": evil}
                        for k in (1, 2, 3)
                    ],
                },
            ],
        }
    )
    place = Place(tree, (40, 50))
    place.write_prediction(tmp_path)
    item = json.loads((tmp_path / "scene.json").read_text())
    item["properties"]["hierars:source"] = [evil]
    (tmp_path / "scene.json").write_text(json.dumps(item))
    labels = place.write_labels(tmp_path / "labels.tif")
    metrics = place.metrics()
    out = write_report(
        tmp_path, tmp_path / "r.html", labels=labels, metrics=metrics, baselines=[(evil, metrics)], title=evil
    )
    page = Page(out)
    assert "<script" not in page.source
    assert "<b>L1" not in page.source
    assert page.text.count(evil) > 8
    assert any(alt and evil in alt for alt in page.images)


def test_white_classes_and_no_data_differ(tmp_path):
    place = Place(Taxonomy.from_yaml("crop10m"), (40, 50))
    place.write_prediction(tmp_path)
    page = Page(write_report(tmp_path, tmp_path / "report.html"))
    pixels = page.pixels("L3:")
    white = (pixels == (255, 255, 255, 255)).all(axis=-1)
    assert np.array_equal(white, place.predicted == 0)
    assert "No data" in page.text


def test_acquisition_time_is_not_that_of_the_prediction(tmp_path):
    Place(MM5B, (40, 50)).write_prediction(tmp_path)
    item = json.loads((tmp_path / "scene.json").read_text())
    item["properties"]["datetime"] = "2026-11-22T10:00:00.123456Z"
    (tmp_path / "scene.json").write_text(json.dumps(item))
    assert "Acquired not stated" in Page(write_report(tmp_path, tmp_path / "report.html")).text


def test_a_scene_without_any_class(tmp_path):
    place = Place(MM5B, (40, 50))
    place.predicted[:] = -1
    place.write_prediction(tmp_path, depth=True)
    page = Page(write_report(tmp_path, tmp_path / "report.html"))
    assert "No pixel of this scene has a class" in page.text


def test_nothing_is_left_behind_and_nothing_is_replaced(tmp_path, monkeypatch):
    place = Place(MM5B, (40, 50))
    place.write_prediction(tmp_path / "maps")
    out = tmp_path / "out" / "report.html"
    write_report(tmp_path / "maps", out)
    before = out.read_bytes()
    with pytest.raises(OutputError, match=r"report\.html.*--overwrite"):
        write_report(tmp_path / "maps", out)
    monkeypatch.setattr("hierars_geo.report.writing.render_page", lambda *sections: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path / "maps", out, overwrite=True)
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_input_that_does_not_fit_is_one_clear_line(tmp_path):
    place = Place(MM5B, (40, 50))
    maps, out = place.write_prediction(tmp_path / "maps"), tmp_path / "report.html"
    far = UTM[1] @ Affine.translation(5000, 0)
    labels = place.write_labels(tmp_path / "far.tif", transform=far)
    image = place.write_tif(
        tmp_path / "far_image.tif",
        np.ones((3, 40, 50), np.uint8),
        None,
        ("red", "green", "blue"),
        transform=far,
    )
    (tmp_path / "empty").mkdir()
    for kind, message, arguments in (
        (
            MissingFileError,
            "nothere to be a folder of maps or a class raster, but it does not exist",
            {"source": tmp_path / "nothere"},
        ),
        (MissingFileError, r"empty to hold class rasters \(SCENE_L1\.tif", {"source": tmp_path / "empty"}),
        (
            MissingFileError,
            r"none\.tif to be a raster, but it does not exist",
            {"image": tmp_path / "none.tif"},
        ),
        (DataError, r"labels with data where scene lies.*far\.tif", {"labels": labels}),
        (DataError, r"an image with data where scene lies.*far_image\.tif", {"image": image}),
        (
            DataError,
            "scores of taxonomy mm5b, but got scores of nlcd",
            {"metrics": {"taxonomy": "nlcd", "levels": {}}},
        ),
        (DataError, "scores of the map itself beside those of flat", {"baselines": [("flat", {})]}),
    ):
        with pytest.raises(kind, match=message) as caught:
            write_report(**{"source": maps, "out": out} | arguments)
        assert "\n" not in str(caught.value)
        assert not out.exists()


def test_maps_that_do_not_belong_together_are_refused(tmp_path):
    place = Place(MM5B, (40, 50))
    place.write_prediction(tmp_path)
    place.write_tif(tmp_path / "scene_L4.tif", place.values(place.predicted, 3), 0)
    with pytest.raises(DataError, match=r"levels 1\.\.3 of taxonomy mm5b.*scene_L4\.tif"):
        write_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "scene_L4.tif").unlink()
    place.write_tif(tmp_path / "scene_L2.tif", np.zeros((30, 50), np.uint8), 0)
    with pytest.raises(RasterError, match=r"scene_L2\.tif to have the CRS, size and pixels"):
        write_report(tmp_path, tmp_path / "report.html")
    (tmp_path / "scene_L2.tif").unlink()
    for content in ("{}", None):
        (tmp_path / "scene.json").write_text(content) if content else (tmp_path / "scene.json").unlink()
        with pytest.raises(OptionError, match=r"scene_L3\.tif to come with its class tree"):
            write_report(tmp_path, tmp_path / "report.html")
    assert "Acquired not stated" in Page(write_report(tmp_path, taxonomy="mm5b")).text


def test_templates_are_part_of_the_package():
    folder = files("hierars_geo.report") / "templates"
    assert {"report.html.jinja", "report.css"} <= {entry.name for entry in folder.iterdir()}


def test_the_adaptive_legend_says_its_threshold():
    """Which confidence a level had to reach; a map that does not tell has no sentence on it."""
    depth = ValueSurvey(np.array([[0, 1], [2, 3]]), np.array([1, 1, 1, 1]))
    note = depth_panel(depth, ("L1", "L2", "L3"), threshold=0.7).note
    assert note.replace("\N{NO-BREAK SPACE}", " ") == "Threshold: a confidence of 70.0 %."
    assert depth_panel(depth, ("L1", "L2", "L3")).note is None
