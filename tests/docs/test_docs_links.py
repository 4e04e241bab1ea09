"""Links, anchors and images of README.md and docs/*.md lead somewhere."""

import re
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import pytest
from documents import ROOT, documents, read_fences, without_code

DOCUMENTS = documents()

LINK = re.compile(r"(?P<image>!?)\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def _links(document):
    """Whether it is an image, and the target, of every link."""
    text = without_code(document.read_text(encoding="utf-8"))
    return [(found["image"] == "!", found["target"]) for found in LINK.finditer(text)]


def _anchors(document):
    """Anchors of the headings, as GitHub makes them; the site's are the same."""
    text = document.read_text(encoding="utf-8")
    for fence in read_fences(document):
        text = text.replace(fence.text, "")
    titles = re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower() for title in titles]
    return [re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain]


def _is_external(target):
    return bool(urlsplit(target).scheme)


def _file(document, target):
    path = unquote(target).partition("#")[0]
    return (document.parent / path).resolve() if path else document


def test_links_and_anchors_are_read():
    links = [target for document in DOCUMENTS for _, target in _links(document)]
    assert len(links) > 50
    assert "benchmarks.md#translu-make-bench-translu" in links
    assert "translu-make-bench-translu" in _anchors(ROOT / "docs" / "benchmarks.md")
    assert "my_crops.yaml" not in str(_anchors(ROOT / "docs" / "transfer.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_anchors_and_images_lead_somewhere(document):
    wrong = []
    for is_image, target in _links(document):
        if _is_external(target):
            continue
        to, anchor = _file(document, target), target.partition("#")[2]
        if not to.is_file() or (is_image and not to.stat().st_size):
            wrong.append(f"{target}: no such file")
        elif anchor and anchor not in _anchors(to):
            wrong.append(f"{target}: no such heading")
    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_external_links_are_whole_addresses(document):
    for is_image, target in _links(document):
        if _is_external(target):
            parts = urlsplit(target)
            assert parts.scheme == "https", target
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), target
            assert not is_image, f"{target}: pictures are part of the repository"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_headings_of_a_page_have_anchors_of_their_own(document):
    anchors = _anchors(document)
    # the changelog repeats its kinds of change under every version, and nothing links to them
    assert document.name == "changelog.md" or len(anchors) == len(set(anchors))


def test_every_page_is_reached_from_the_readme_and_every_image_is_shown():
    local = {
        document: {_file(document, target) for _, target in _links(document) if not _is_external(target)}
        for document in DOCUMENTS
    }
    assert set((ROOT / "docs").glob("*.md")) <= local[ROOT / "README.md"]
    assert set((ROOT / "docs" / "img").iterdir()) <= set().union(*local.values())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tables_and_lists_are_such_on_the_site_too(document):
    """Python-Markdown takes a table without a line before it for text, an inner list for the outer one."""
    text = document.read_text(encoding="utf-8")
    for fence in read_fences(document):
        text = text.replace(fence.text, "")
    lines = text.splitlines()
    glued = [
        line
        for before, line in pairwise(lines)
        if line.lstrip().startswith("|") and before.strip() and not before.lstrip().startswith("|")
    ]
    shallow = [line for line in lines if re.match(r" {1,3}([*-]|\d+\.) ", line)]
    assert (glued, shallow) == ([], [])
