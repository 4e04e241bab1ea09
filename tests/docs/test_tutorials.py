"""The tutorials of docs/tutorials run as they stand, make the pictures that they show, and are found."""

import re
import runpy

import pytest
from documents import ROOT

FOLDER = ROOT / "docs" / "tutorials"
SCRIPTS = sorted(FOLDER.glob("*.py"))
#: What a tutorial shows.
PICTURE = re.compile(r"^# !\[[^\]]+\]\((\S+\.png)\)$", re.MULTILINE)


def pictures(script):
    return PICTURE.findall(script.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings(
    "default"
)  # Lightning reminds of workers, epochs and logs that are not meant here
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs_and_makes_the_pictures_that_it_shows(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # the script sets it: put back afterwards
    runpy.run_path(str(script), run_name="__main__")  # its assertions are the test
    assert pictures(script)
    assert [name for name in pictures(script) if not (tmp_path / name).stat().st_size] == []


def test_pictures_are_there_and_all_are_shown():
    shown = {name for script in SCRIPTS for name in pictures(script)}
    assert shown == {path.name for path in FOLDER.glob("*.png")}
    assert max(path.stat().st_size for path in FOLDER.glob("*.png")) < 100_000


def test_every_tutorial_is_a_page_that_the_readme_and_the_navigation_name():
    readme, site = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "mkdocs.yml"))
    assert len(SCRIPTS) >= 3
    for script in SCRIPTS:
        assert f"(docs/tutorials/{script.name})" in readme
        assert f"tutorials/{script.stem}.md" in site
        text = script.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # ")
        assert re.search(r"^assert ", text, re.MULTILINE), script.name


def test_each_tutorial_leads_to_the_next_and_the_readme_names_them_in_that_order():
    readme, site = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "mkdocs.yml"))
    order = re.findall(r"tutorials/(\w+)\.md", site)
    assert sorted(order) == [script.stem for script in SCRIPTS]
    assert list(dict.fromkeys(re.findall(r"\(docs/tutorials/(\w+)\.py\)", readme))) == order
    following = [f"{name}.md" for name in order[1:]] + ["../choose.md"]
    for name, target in zip(order, following, strict=True):
        ending = (FOLDER / f"{name}.py").read_text(encoding="utf-8").partition("# ## Where to go on")[2]
        assert f"]({target})" in ending, name
