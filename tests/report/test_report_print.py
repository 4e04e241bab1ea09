"""The report as Chromium prints it: no page for a last line alone."""

import re
import shutil
import subprocess
import zlib

import pytest
from report_factory import Place

from hierars_geo.report import write_report
from hierars_geo.taxonomy import Taxonomy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


def words_per_page(pdf):
    """How many pieces of text every page of a PDF of Chromium draws, in order."""
    objects = dict(re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", pdf, re.S))
    kids = next(text for text in objects.values() if b"/Type /Pages" in text)
    listed = re.search(rb"/Kids \[(.*?)\]", kids, re.S)[1]
    counts = []
    for number in re.findall(rb"(\d+) 0 R", listed):
        content = objects[re.search(rb"/Contents (\d+) 0 R", objects[number])[1]]
        stream = content[content.index(b"stream\n") + 7 : content.rindex(b"\nendstream")]
        counts.append(len(re.findall(rb"T[jJ]", zlib.decompress(stream))))
    return counts


@pytest.mark.parametrize("taxonomy", ["mm5b", "crop10m", "whdld"])
def test_the_last_page_is_not_empty(tmp_path, taxonomy):
    Place(Taxonomy.from_yaml(taxonomy)).write_prediction(tmp_path / "maps", depth=True)
    page = write_report(tmp_path / "maps", tmp_path / "report.html")
    pdf = tmp_path / "report.pdf"
    command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--no-pdf-header-footer"]
    subprocess.run(
        [*command, f"--print-to-pdf={pdf}", (tmp_path / "report.html").as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    counts = words_per_page(pdf.read_bytes())
    assert page is not None
    assert len(counts) > 1
    assert min(counts) > 8, counts  # "hierars-geo 0.2.0" alone would be one
