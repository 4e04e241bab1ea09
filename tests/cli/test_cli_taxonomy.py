"""``hierars-geo taxonomy``: what it prints and what it returns."""

import re
import sys

import pytest

from hierars_geo.cli import run_command
from hierars_geo.cli.tables import print_table
from hierars_geo.errors import MissingFileError, OptionError, TaxonomyError
from hierars_geo.taxonomy import Taxonomy
from hierars_geo.taxonomy.yaml_reader import catalog_names

BRACKETS = """\
name: brackets
levels:
  - name: L1
    classes:
      - {name: "[red]not markup[/red]", value: 3, color: "#ff0000"}
"""


def main(arguments):
    return run_command("taxonomy", arguments)


@pytest.fixture(autouse=True)
def plain_output(monkeypatch):
    """The same text whatever terminal the tests run in."""
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_list_names_every_tree_of_the_catalog(capsys):
    assert main(["list"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert tuple(sorted(rows)) == catalog_names("taxonomies")
    assert "5/15/44" in rows["corine"]


def test_show_draws_one_leaf_per_legal_path(capsys):
    assert main(["show", "crop10m"]) == 0
    head, counts, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("crop10m  Crop10m")
    assert counts.strip() == "L1: 2 classes · L2: 2 classes · L3: 4 classes · 5 legal paths · nodata 255"
    assert [row.split("#")[1] for row in rows] == [
        "ffffff 0 other",
        "ffffff 0 other",
        "ffffff 0 other",
        "00c800 1 vegetation",
        "96fa00 1 cropland",
        "ffffff 0 other",
        "00c8fa 1 rice",
        "fac800 2 maize",
        "9696fa 3 soybean",
    ]


def test_show_prints_every_class_with_its_value(capsys):
    assert main(["show", "corine"]) == 0
    out = capsys.readouterr().out
    tree = Taxonomy.from_yaml("corine")
    for level in range(1, 4):
        for value, name in zip(tree.class_values(level), tree.class_names(level), strict=True):
            assert f" {value} {name}" in out
    assert "nodata 48 (also 0, 49, 50, 255)" in out


def test_show_does_not_read_names_as_markup(capsys, tmp_path):
    file = tmp_path / "brackets.yaml"
    file.write_text(BRACKETS, encoding="utf-8")
    assert main(["show", str(file)]) == 0
    assert "3 [red]not markup[/red]" in capsys.readouterr().out


def test_show_works_without_unicode(tmp_path, monkeypatch):
    with (tmp_path / "out.txt").open("w", encoding="ascii", errors="replace") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["show", "whdld"]) == 0
    assert "## #ff0000 1 building" in (tmp_path / "out.txt").read_text(encoding="ascii")


def test_show_leaves_errors_to_the_caller():
    with pytest.raises(MissingFileError, match="Did you mean: mm5b"):
        main(["show", "mm5"])


def test_validate_goes_on_after_a_bad_file(capsys, tmp_path):
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text(BRACKETS.replace("value: 3", "value: 0"), encoding="utf-8")
    good.write_text(BRACKETS, encoding="utf-8")
    assert main(["validate", str(bad), str(good), str(tmp_path / "none.yaml")]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"OK {good}: brackets, 1 level (1), 1 legal path\n"
    first, second = captured.err.splitlines()
    assert "bad.yaml" in first
    assert "nodata 0 to be no class" in first
    assert "none.yaml" in second
    assert main(["validate", str(good), "corine"]) == 0


def test_validate_looks_anchors_up_in_the_catalog(capsys, tmp_path):
    file = tmp_path / "anchored.yaml"
    file.write_text(BRACKETS + '\nanchors: {"[red]not markup[/red]": mm5b/L1/Vegetatoin}\n', encoding="utf-8")
    assert main(["validate", str(file)]) == 1
    error = capsys.readouterr().err
    assert "'Vegetatoin'. Did you mean: Vegetation" in error
    assert f"(in {file}, anchors.L1/[red]not markup[/red])" in error


def test_validate_looks_anchors_up_in_the_files_given_with_them(capsys, tmp_path):
    """A tree of one's own as the source: checked where its file is named, and said where it is not."""
    source, target = tmp_path / "source.yaml", tmp_path / "target.yaml"
    text = BRACKETS.replace("[red]not markup[/red]", "land")
    source.write_text(text.replace("name: brackets", "name: own_source"), encoding="utf-8")
    target.write_text(text + "\nanchors: {land: own_source/L1/lnad}\n", encoding="utf-8")
    assert main(["validate", str(target)]) == 0
    assert "anchors not looked up, as no tree own_source is known: give its file" in capsys.readouterr().out
    assert main(["validate", str(target), str(source)]) == 1
    assert "'lnad'. Did you mean: land" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["bogus"], ["show"], ["show", "a", "b"], ["validate"]])
def test_wrong_options_exit_with_2(argv):
    with pytest.raises(OptionError, match="See hierars-geo taxonomy"):
        main(argv)


def test_help_gives_examples(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "\n  hierars-geo taxonomy show mm5b\n" in capsys.readouterr().out


def test_the_tree_of_an_invalid_file_is_not_drawn(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text(BRACKETS.replace("value: 3", "valeu: 3"), encoding="utf-8")
    with pytest.raises(TaxonomyError, match=r"\.value: the key is missing \(and 1 more\)"):
        main(["show", str(file)])


def test_crosswalk_shows_what_each_class_says_and_what_is_lost(capsys):
    assert main(["crosswalk", "esa_worldcover", "mm5b"]) == 0
    out = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "40 Cropland Cropland L1 L2" in rows
    assert "70 Snow and ice - -" in rows
    assert "esa_worldcover: 1 of 11 finest classes say nothing (Snow and ice)" in rows
    assert any(row.startswith("mm5b L2: decided by") and "never" in row for row in rows)
    assert any(row.startswith("told apart by both (6): Cropland | Forest") for row in rows)


def test_crosswalk_alone_lists_the_catalog_and_validate_takes_crosswalks(capsys, tmp_path):
    assert main(["crosswalk"]) == 0
    assert "corine_to_mm5b: corine -> mm5b" in capsys.readouterr().out
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("from: corine\nto: mm5b\nsource: a test\nclasses: {Forests: Forest}\n")
    assert main(["validate", "corine_to_mm5b", str(wrong)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("OK corine_to_mm5b: corine -> mm5b, 64 classes")
    assert "Expected an entry for every class of corine, but got none for 41" in err


def test_tables_break_no_word_and_take_brackets_for_text(monkeypatch, capsys):
    rows = [("L3", "17", "[red]Dry[/red] cropland, Paddy"), ("L2", "", "")]
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(("level", "copied", "[b]"), rows, whole=1)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "level copied [b]",
        "L3        17 [red]Dry[/red]",
        "             cropland,",
        "             Paddy",
        "L2",
    ]


def test_numbers_stand_right_where_one_of_them_is_undefined(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("", "L1 OA", "of"), [("model", "nan", "nan %"), ("forest", "88.9", "a")], whole=1)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["       L1 OA of", "model    nan nan %", "forest  88.9 a"]
