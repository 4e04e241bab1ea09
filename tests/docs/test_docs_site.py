"""The site that `make docs` builds: strictly, whole, and without other hosts."""

import importlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from documents import ROOT

from hierars_geo.cli import COMMANDS

pytestmark = pytest.mark.slow

#: Attributes whose address a browser loads by itself.
LOADED = ("src", "href", "srcset", "data")


class Page(HTMLParser):
    """Collects the addresses that a page loads (not those it links to) and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.anchors = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors.add(values.get("id"))
        if tag != "a" and values.get("rel") != "canonical":
            self.loaded += [values[name] for name in LOADED if values.get(name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_it_loads_nothing_from_other_hosts(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for path in pages:
        loaded = Page(path).loaded
        assert loaded
        away = [a for a in loaded if urlsplit(a).scheme not in ("", "data") or a.startswith("//")]
        assert away == [], path
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8"))


def test_the_reference_describes_every_public_name(site):
    for path in sorted((ROOT / "hierars_geo").glob("*/__init__.py")):
        package = f"hierars_geo.{path.parent.name}"
        if package == "hierars_geo.cli":
            continue
        anchors = Page(site / "reference" / f"{path.parent.name}.html").anchors
        names = importlib.import_module(package).__all__
        # where a module bears the name, too, the page describes what the module holds
        missing = [n for n in names if not {f"{package}.{n}", f"{package}.{n}.{n}"} & anchors]
        assert missing == []


def test_the_page_of_commands_has_every_command(site):
    page = site / "reference" / "commands.html"
    assert set(COMMANDS) | {"catalog-build"} <= Page(page).anchors
    assert "--depth-threshold" in page.read_text(encoding="utf-8")
