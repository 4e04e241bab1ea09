"""Commands of README.md and docs/*.md run: cheap ones here, with -m slow all of `make docs-commands`."""

import re
import subprocess
import sys

import pytest
from docs_commands import RULES, unused_rules
from documents import ROOT, documents, read_fences, words_of
from stand_ins import MAKERS

from hierars_geo.cli import main

FENCES = [fence for document in documents() for fence in read_fences(document)]
COMMANDS = [command for fence in FENCES for command in fence.commands]

#: They read what is shipped and what the documents show.
CHEAP = [
    words
    for words in map(words_of, COMMANDS)
    if words[:2] == ["hierars-geo", "taxonomy"] or words[1:3] in (["catalog", "list"], ["catalog", "show"])
]


def test_rules_and_stand_ins_are_those_of_the_documents():
    assert unused_rules(FENCES) == []
    shown = {fence.file_name for fence in FENCES}
    for name, files in RULES["stand_ins"].items():
        text = "".join(fence.text for fence in FENCES if fence.document.name == name)
        assert {file for file in files if not re.search(rf"(?<![\w./-]){re.escape(file)}", text)} == set()
        assert not shown & set(files)
        assert {source["make"] for source in files.values() if "make" in source} <= set(MAKERS)
    assert all(rule["why"] for rule in RULES["exceptions"])
    assert {name for files in RULES["stand_ins"].values() for name in files}
    used = {s["make"] for files in RULES["stand_ins"].values() for s in files.values() if "make" in s}
    assert used == set(MAKERS)


@pytest.mark.parametrize("words", CHEAP, ids=" ".join)
def test_cheap_commands_run(words, tmp_path, monkeypatch, capsys):
    for fence in FENCES:
        if fence.file_name:
            (tmp_path / fence.file_name).write_text(fence.text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(words[1:]) == 0
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_commands_run(tmp_path):
    script = ROOT / "tests" / "drill" / "docs_commands.py"
    command = [sys.executable, str(script), "--keep", str(tmp_path / "walk")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nran ") > 60
