"""The report command: thin, so only what the command adds."""

import json

import numpy as np
import pytest
from raster_factory import write_raster

from hierars_geo.cli import main
from hierars_geo.taxonomy import Taxonomy


@pytest.fixture
def maps(tmp_path):
    """A one-level prediction of 20 x 30 pixels."""
    tree = Taxonomy.from_yaml("whdld")
    values = np.arange(600, dtype=np.uint8).reshape(20, 30) % 6 + 1
    write_raster(tmp_path / "chip_L1.tif", values, res=2, top=3.38e6, nodata=0)
    item = {"properties": {"datetime": None, "hierars:taxonomy": tree.to_dict()}}
    (tmp_path / "chip.json").write_text(json.dumps(item))
    return tmp_path


def test_report_goes_into_the_folder_and_is_named(maps, capsys):
    assert main(["report", str(maps), "--labels", str(maps / "chip_L1.tif"), "--title", "A chip"]) == 0
    assert capsys.readouterr().out == f"{maps / 'report.html'}\n"
    text = (maps / "report.html").read_text()
    assert "<h1>A chip</h1>" in text
    assert "Right" in text


def test_failures_are_one_line_and_a_status(maps, capsys, tmp_path):
    out = tmp_path / "r.html"
    assert main(["report", str(maps), "-o", str(out)]) == 0
    assert main(["report", str(maps), "-o", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["report", str(maps), "-o", str(out), "--overwrite"]) == 0
    assert main(["report", str(maps / "nothere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["report", str(maps), "--nonsense"]) == 2
