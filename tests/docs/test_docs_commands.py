"""Commands in README.md and docs/*.md exist, with the options they are given; nothing is run."""

import re

import pytest
from documents import ROOT, documents, read_fences, words_of
from lightning.pytorch.cli import LightningCLI

from hierars_geo.cli import COMMANDS, parser_of
from hierars_geo.cli.training_cli import TrainingCLI
from hierars_geo.errors import OptionError

pytestmark = [
    pytest.mark.usefixtures("lightning_parser"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # jsonargparse deprecates what Lightning calls
]

DOCUMENTS = documents()
FENCES = [fence for document in DOCUMENTS for fence in read_fences(document)]
COMMAND_LINES = [(fence, command) for fence in FENCES for command in fence.commands]
QUICKSTART = ROOT / "experiments" / "quickstart" / "bhccm_s2.yaml"

#: Commands whose parser is Lightning's.
TRAINING = ("fit", "validate", "test")

#: Commands in the running text.
INLINE = re.compile(r"`((?:hierars-geo|python -m hierars_geo|make) [^`]+)`")


class ParsedTraining(TrainingCLI):
    """Parses a training command: opens no checkpoint, builds nothing, runs nothing."""

    def parse_arguments(self, parser, args):
        LightningCLI.parse_arguments(self, parser, args)

    def instantiate_classes(self):
        pass

    def _run_subcommand(self, subcommand):
        pass


def _config_file(name, folder):
    """The configuration that a document names: shown by one, part of the repository, or any."""
    shown = [fence.text for fence in FENCES if fence.file_name == name]
    if shown:
        path = folder / name
        path.write_text(shown[0], encoding="utf-8")
        return str(path)
    if name == "mm5b_like/fit_sentinel2.yaml":  # written by the command before
        path = folder / "data.yaml"
        path.write_text("data: {class_path: hierars_geo.datamodules.SceneDataModule}\n", encoding="utf-8")
        return str(path)
    return str(ROOT / name if name.startswith("experiments/") else QUICKSTART)


def _check_ours(words, folder):
    command, *rest = words
    assert command in COMMANDS
    if command in TRAINING:
        pairs = zip(["", *rest], rest, strict=False)
        rest = [_config_file(word, folder) if before == "--config" else word for before, word in pairs]
        ParsedTraining([command, *rest])
    else:
        parser_of(command).parse_args(rest)


def _is_make_target(word):
    lines = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", lines, re.MULTILINE)
    scripts = (ROOT / "experiments" / "bench").glob("bench_*.py")
    return word in targets or word in {script.stem.replace("_", "-") for script in scripts}


def test_the_fences_are_read():
    assert len(COMMAND_LINES) > 60
    assert {fence.file_name for fence in FENCES} >= {"my_tree.yaml", "my.yaml", "my_crops.yaml", "crops.yaml"}
    commands = {words_of(command)[1] for _, command in COMMAND_LINES if command.startswith("hierars-geo ")}
    assert commands >= set(COMMANDS) - {"validate"}


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "model.ckpt", "scene.tif", "-o", "maps", "--confidenc3"],
        ["catalog", "build", "scenes", "-o", "catalog", "[--checksums]"],
        ["fit", "--config", "my.yaml", "--model.init_args.mod", "flat"],
    ],
)
def test_the_check_meets_what_does_not_exist(words, tmp_path):
    with pytest.raises(OptionError):
        _check_ours(words, tmp_path)


@pytest.mark.parametrize(
    ("fence", "command"), COMMAND_LINES, ids=[f"{fence}-{command[:40]}" for fence, command in COMMAND_LINES]
)
def test_commands_exist_with_the_options_they_are_given(fence, command, tmp_path):
    words = words_of(command)
    if words[0] == "hierars-geo":
        _check_ours(words[1:], tmp_path)
    elif words[0] == "make":
        assert [word for word in words[1:] if "=" not in word and not _is_make_target(word)] == []
    elif words[0] in ("python", "/usr/bin/python3"):
        assert (ROOT / words[1]).is_file()
    else:
        assert words[0] in ("dask", "qgis")


def _examples():
    """Examples that ``--help`` shows, of a command and of its sub-commands."""
    for command in [name for name in COMMANDS if name not in TRAINING]:
        parser = parser_of(command)
        choices = [action.choices for action in parser._actions if action.dest == "subcommand"]
        for shown in (parser, *(sub for choice in choices for sub in choice.values())):
            lines = (shown.epilog or "").replace("\\\n", " ").splitlines()
            yield from (line.strip() for line in lines if line.strip().startswith("hierars-geo "))


@pytest.mark.parametrize("example", list(dict.fromkeys(_examples())))
def test_examples_of_help_exist_with_their_options(example, tmp_path):
    _check_ours(words_of(example)[1:], tmp_path)


def _options(command, subcommand=""):
    parser = parser_of(command)
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if action.dest == "subcommand":
            for name, choice in action.choices.items():
                found |= set(choice._option_string_actions) if subcommand in ("", name) else set()
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_running_text_exist(document):
    wrong = []
    for command in INLINE.findall(document.read_text(encoding="utf-8").replace("\n", " ")):
        program, name, *rest = [word for word in words_of(command) if word != "..."]
        if program == "make":
            wrong += [] if _is_make_target(name) else [command]
        elif name.islower() and name not in COMMANDS:
            wrong.append(command)
        elif name in COMMANDS and name not in TRAINING:
            given = {word for word in rest if re.fullmatch(r"--?[a-z][\w-]*", word)}
            wrong += [] if given <= _options(name, rest[0] if rest else "") else [command]
    assert wrong == []


def test_options_in_the_running_text_belong_to_a_command():
    known = {"--debug", "--quiet", "--ckpt_path", "--config", "--head"}
    known |= {option for command in set(COMMANDS) - set(TRAINING) for option in _options(command)}
    for script in (ROOT / "experiments").rglob("*.py"):
        known |= set(re.findall(r'add_argument\([^)]*?"(--[\w-]+)"', script.read_text(encoding="utf-8")))
    named = {
        (document.name, option)
        for document in DOCUMENTS
        if document.name != "changelog.md"  # it names what is gone
        for option in re.findall(r"`(--[a-z][\w-]*)[ `]", document.read_text(encoding="utf-8"))
    }
    assert len(named) > 40
    assert {item for item in named if item[1] not in known} == set()
