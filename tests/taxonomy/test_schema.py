"""Every fault of a file has its own message that names file and key; no file hangs or crashes the reader."""
# ruff: noqa: E501 - one fault per line is a table to read

import time

import pytest

from hierars_geo.errors import TaxonomyError
from hierars_geo.taxonomy import Taxonomy

GOOD = """\
name: tiny
levels:
  - name: L1
    classes:
      - {name: land, value: 1, color: "#00aa00"}
      - {name: sea, value: 2, color: [0, 0, 255]}
  - name: L2
    classes:
      - {name: field, value: 1, color: "#aaff00", parent: land}
      - {name: wood, value: 2, color: "#006600", parent: land}
      - {name: bay, value: 3, color: "#0000ff", parent: sea}
anchors:
  L1/land: mm5b/L1/Vegetation
"""

FAULTS = {
    "unknown key at the top": ("name: tiny", "name: tiny\nnodta: 1", r"nodta: unknown key \(known here: name, .*nodata"),
    "unknown key of a level": ("  - name: L2", "  - name: L2\n    colour: x", r"levels\[1\]\.colour: unknown key \(known here: name, classes\)"),
    "unknown key of a class": ("value: 2, color: [0", "valeu: 2, value: 2, color: [0", r"levels\[0\]\.classes\[1\]\.valeu: unknown key \(known here: name, value, color, parent\)"),
    "missing key": (", value: 3", "", r"levels\[1\]\.classes\[2\]\.value: the key is missing"),
    "key given twice": ("value: 3,", "value: 3, value: 4,", r"key 'value' is given twice \(line 11\)"),
    "no mapping": (GOOD, "just text", r"\(top\): .*but got 'just text'"),
    "empty file": (GOOD, "", r"\(top\): .*but got None"),
    "no levels": (GOOD, "{name: x, levels: []}", r"levels: expected at least one entry"),
    "no classes": ("    classes:\n      - {name: land", "    classes: []\n    x:\n      - {name: land", r"levels\[0\]\.classes: expected at least one entry"),
    "not YAML": ("levels:", "levels: [", r"readable YAML file, but: .*line"),
    "impossible date": ("value: 3", "value: 2024-99-99", "readable YAML file, but: month must be in 1..12"),
    "value is text": ("value: 3", "value: three", r"classes\[2\]\.value: .*integer, but got 'three'"),
    "value is a truth": ("value: 3", "value: yes", r"classes\[2\]\.value: .*integer, but got True"),
    "value is negative": ("value: 3", "value: -3", r"classes\[2\]\.value: .*greater than or equal to 0, but got -3"),
    "value beyond uint16": ("value: 3", "value: 65536", r"classes\[2\]\.value: .*less than or equal to 65535, but got 65536"),
    "bad hex colour": ("#0000ff", "#0000fg", r"classes\[2\]\.color: expected a colour '#rrggbb' or .*, but got '#0000fg'"),
    "short hex colour": ("#0000ff", "#00f", r"classes\[2\]\.color: expected a colour"),
    "colour name": ('"#0000ff"', "blue", r"classes\[2\]\.color: expected a colour .*, but got 'blue'"),
    "colour out of range": ("[0, 0, 255]", "[0, 0, 256]", r"classes\[1\]\.color: expected a colour .*, but got \[0, 0, 256\]"),
    "colour of two": ("[0, 0, 255]", "[0, 255]", r"classes\[1\]\.color: expected a colour"),
    "empty name": ("name: bay", 'name: " "', r"classes\[2\]\.name: .*at least 1 character"),
    "name of two lines": ("name: bay", r'name: "b\nay"', r"classes\[2\]\.name: expected text on one line"),
    "name unfit for XML": ("name: bay", r'name: "b\x07ay"', r"classes\[2\]\.name: expected text on one line"),
    "lone surrogate": ("name: bay", r'name: "b\ud800ay"', r"bad\.yaml"),
    "slash in a level's name": ("- name: L2", "- name: L/2", r"levels\[1\]\.name: expected no '/'"),
    "file name in the name": ("name: tiny", "name: a/b", r"name: .*pattern"),
    "duplicate level": ("- name: L2", "- name: L1", r"every level name to be unique, but got 'L1' twice .*levels\)"),
    "duplicate class": ("name: wood", "name: field", r"every class name to be unique, but got 'field' twice .*levels\[1\]\.classes"),
    "duplicate value": ("name: wood, value: 2", "name: wood, value: 1", r"every raster value to be unique, but got 1 twice .*levels\[1\]\.classes"),
    "class on nodata": ("value: 3", "value: 0", r"nodata 0 to be no class, but 'bay' of level L2 .*levels\[1\]\.classes"),
    "class on an ignored value": ("name: tiny", "name: tiny\nignore_values: [7, 3]", r"ignore_values 3 to be no class, but 'bay'"),
    "orphan": (", parent: sea", "", r"'bay' of level L2 to have a parent, but it is an orphan .*levels\[1\]\.classes\[2\]\.parent.*class of level L1"),
    "unknown parent": ("parent: sea", "parent: ocean", r"parent of 'bay' to be a class of level L1, but got 'ocean' .*classes\[2\]\.parent"),
    "same parent twice": ("parent: sea", "parent: [sea, sea]", r"every parent to be unique, but got 'sea' twice"),
    "parent at the first level": ('"#00aa00"', '"#00aa00", parent: sea', r"'land' of the first level to have no parent, but got 'sea' \("),
    "cycle over two levels": ('"#00aa00"', '"#00aa00", parent: field', r"'land' .*but got 'field', which makes a cycle"),
    "cycle within a level": ('"#006600", parent: land', '"#006600", parent: wood', r"parent of 'wood' .*but got 'wood', which makes a cycle"),
    "YAML alias cycle": ("    classes:\n      - {name: field", "    classes: &c\n      - *c\n      - {name: field", r"alias '\*c' contains itself \(a cycle\) \(line 9\)"),
    "repeated list": ('[0, 0, 255]', "&blue [0, 0, 255]\n        }\n      - {name: x, value: 9, color: *blue", r"alias '\*blue' repeats a list or mapping"),
    "childless class, value taken": ("      - {name: bay, value: 3, color: \"#0000ff\", parent: sea}\n", "", r"class 'sea' of level L1 to have a child at level L2 .*value 2 is taken .*List it at L2"),
    "anchor of no class": ("L1/land:", "L1/lnd:", r"'L1/lnd' is no such class .*anchors"),
    "anchor without level": ("mm5b/L1/Vegetation", "mm5b/Vegetation", r"anchor of 'L1/land' to be taxonomy/level/class, but got 'mm5b/Vegetation'"),
    "two anchors": ("  L1/land:", "  land: mm5b/L1/Water\n  L1/land:", r"one anchor per class, but 'L1/land' has two"),
}  # fmt: skip


def _read(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    return Taxonomy.from_yaml(file)


def test_the_good_file_is_good(tmp_path):
    tree = _read(tmp_path, GOOD)
    assert tree.num_classes == (2, 3)
    assert tree.colors(1) == ((0, 170, 0), (0, 0, 255))
    assert [(a.level, a.index, a.target) for a in tree.anchors] == [(1, 0, "mm5b/L1/Vegetation")]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_own_message(tmp_path, fault):
    old, new, message = FAULTS[fault]
    assert GOOD.count(old) >= 1
    with pytest.raises(TaxonomyError, match=message) as caught:
        _read(tmp_path, GOOD.replace(old, new, 1))
    assert "bad.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_anchor_of_an_ambiguous_name(tmp_path):
    text = GOOD.replace("name: bay", "name: sea").replace("L1/land", "sea")
    with pytest.raises(TaxonomyError, match=r"'sea' is a class of 2 levels .*Write it as level/class"):
        _read(tmp_path, text)


def test_several_faults_are_counted(tmp_path):
    with pytest.raises(TaxonomyError, match=r"classes\[0\]\.value: .*\(and 1 more\)"):
        _read(tmp_path, GOOD.replace("value: 1", "value: x"))


def test_aliases_of_single_values_are_fine(tmp_path):
    text = GOOD.replace('"#006600"', '&green "#006600"').replace('"#0000ff"', "*green")
    assert _read(tmp_path, text).colors(2)[1:] == ((0, 102, 0), (0, 102, 0))


def test_alias_bombs_do_not_hang(tmp_path):
    lines = ['a0: &a0 ["x", "x"]'] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    start = time.monotonic()
    with pytest.raises(TaxonomyError, match=r"alias '\*a0' repeats a list or mapping \(line 2\)"):
        _read(tmp_path, "\n".join(lines))
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("text", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000])
def test_deep_nesting_does_not_crash(tmp_path, text):
    with pytest.raises(
        TaxonomyError, match=r"bad\.yaml to be a readable YAML file, but: .*nest(ed deeper|ing depth)"
    ):
        _read(tmp_path, text)


def test_more_classes_than_uint16_holds_are_refused():
    classes = [{"name": f"c{i}", "value": min(i, 65535), "color": "#000000"} for i in range(65_535)]
    content = {"name": "big", "levels": [{"name": "L1", "classes": classes}]}
    with pytest.raises(
        TaxonomyError, match=r"levels\[0\]\.classes: .*at most 65534 items after validation, not 65535\."
    ):
        Taxonomy.from_dict(content)


def test_a_file_of_too_many_classes_is_refused_while_reading(tmp_path):
    rows = "".join(f"- {i}\n" for i in range(65_536))
    with pytest.raises(TaxonomyError, match=r"a list has more than 65534 entries \(line 65535\)"):
        _read(tmp_path, rows)


def test_the_largest_tree_is_built():
    classes = [{"name": f"c{i}", "value": i + 1, "color": "#000000"} for i in range(65_534)]
    tree = Taxonomy.from_dict({"name": "big", "levels": [{"name": "L1", "classes": classes}]})
    assert tree.num_paths == 65_534
    assert tree.lift(65_533, 1) == 65_533


def test_paths_that_multiply_are_refused_before_they_are_listed():
    def level(number):
        pair = [f"a{number - 1}", f"b{number - 1}"] if number else []
        rows = [{"name": f"{c}{number}", "value": i + 1, "color": "#000000"} for i, c in enumerate("ab")]
        return {"name": f"L{number}", "classes": [row | ({"parent": pair} if pair else {}) for row in rows]}

    assert Taxonomy.from_dict({"name": "x", "levels": [level(n) for n in range(4)]}).num_paths == 16
    with pytest.raises(TaxonomyError, match=r"at most 65534 legal paths, but got 65536 down to level 16"):
        Taxonomy.from_dict({"name": "x", "levels": [level(n) for n in range(60)]})


def test_mappings_that_contain_themselves_are_refused():
    levels = []
    levels.append({"name": "L1", "classes": levels})
    with pytest.raises(TaxonomyError, match="the given mapping"):
        Taxonomy.from_dict({"name": "x", "levels": levels})


def test_files_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "raster.yaml"
    file.write_bytes(b"II*\x00\xff\xfe\x00")
    with pytest.raises(TaxonomyError, match=r"raster\.yaml to be a readable YAML file"):
        Taxonomy.from_yaml(file)


def test_huge_files_are_not_parsed(tmp_path):
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(65 * 2**20)
    with pytest.raises(TaxonomyError, match=r"it has 68157440 bytes, more than"):
        Taxonomy.from_yaml(file)
