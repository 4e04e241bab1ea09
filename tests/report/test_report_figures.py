"""Figures: the map's own colours, everything that explains it, the same bytes every time."""

import numpy as np
import pytest
from PIL import Image
from report_factory import Place

from hierars_geo.errors import OutputError
from hierars_geo.maps import Maps
from hierars_geo.report import write_report
from hierars_geo.report.figures import draw_map
from hierars_geo.report.scene_section import build_scene_section
from hierars_geo.taxonomy import Taxonomy

TREE = Taxonomy.from_yaml("whdld")


@pytest.fixture
def folder(tmp_path):
    return Place(TREE, shape=(40, 60)).write_prediction(tmp_path / "maps", confidence=False)


def test_a_map_becomes_png_and_pdf_in_its_own_colours(folder, tmp_path):
    figures = tmp_path / "figures"
    write_report(folder, tmp_path / "report.html", figures=figures)
    with Image.open(figures / "scene_L1.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    colors, counts = np.unique(pixels, axis=0, return_counts=True)
    drawn = {tuple(color) for color, count in zip(colors.tolist(), counts, strict=True) if count > 500}
    place = Place(TREE, shape=(40, 60))
    present = np.unique(place.predicted[place.predicted >= 0])
    assert {TREE.colors(1)[index] for index in present} <= drawn
    pdf = (figures / "scene_L1.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf

    with pytest.raises(OutputError, match=r"scene_L1\.png.*--overwrite"):
        write_report(folder, tmp_path / "again.html", figures=figures)
    write_report(folder, tmp_path / "again.html", figures=figures, overwrite=True)
    assert (figures / "scene_L1.pdf").read_bytes() == pdf


def test_ramps_and_doubt_are_drawn(tmp_path):
    maps = Place(TREE, shape=(40, 60)).write_prediction(tmp_path / "maps")
    section = build_scene_section(Maps.open(maps).scene, None, None)
    ramp = section.rows[-1].panels[0]
    for panel in (ramp, section.doubt.panel):
        axes = draw_map(panel, section.frame, "scene").axes
        texts = {text.get_text() for each in axes for text in each.texts}
        assert {"N", section.frame.scale_bar.label} <= texts
        assert {"0 %", "100 %"} <= texts if panel is ramp else "Below 25 %" in texts
