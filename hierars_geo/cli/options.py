"""Parsers of commands, built from the signatures of the functions that run them; complaints are one line."""

import inspect
import re
from argparse import ArgumentTypeError, BooleanOptionalAction, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from textwrap import fill
from types import NoneType, UnionType
from typing import Any, Final, Literal, NoReturn, Union, get_args, get_origin

from jsonargparse import ArgumentParser

from ..errors import OptionError
from .verbosity import EVERYWHERE

#: What runs a command: takes its options, returns the exit status.
Run = Callable[..., int]
#: Of a description in characters; the lines of examples stay as they are written.
_WIDTH: Final = 100
#: Options with a letter of their own.
_LETTERS: Final = {"out": "-o", "out_dir": "-o"}


class OneLineErrors:
    """Mix into a parser: it raises OptionError in place of printing its usage and exiting."""

    prog: str

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what is wrong with the options.

        Raises:
            OptionError: Always; exit status 2.
        """
        text = _in_our_words(message)
        raise OptionError(f"{text}. See {self.prog.replace(' [options]', '')} --help.") from ex


def _in_our_words(message: str) -> str:
    """Say a parser's complaint as we say ours: without Python's types and the parser's attempts."""
    text = " ".join(message.split("Given value type:")[0].split())
    text = re.sub(
        r"Does not validate against any of the Union subtypes Subtypes: \[.*?\] Errors: - ", "", text
    )
    text = re.sub(r" ?- Expected a <class 'NoneType'>\.?", "", text)
    text = re.sub(r" ?See \S+ --help\.?", "", text)
    text = re.sub(r"typing\.Literal\[(.*?)\]", r"value among \1", text)
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    text = re.sub(
        r"^argument (?:-\w/)?(--)?([\w-]+): Expected (.+?), but got", r"Expected \1\2 to be \3, but got", text
    )
    text = re.sub(
        r'Parser key "([^"]+)": Expected an? (.+?)\. Got value: (.+)',
        r"Expected \1 to be a \2, but got \3",
        text,
    )
    if choice := re.match(r"argument (?:-\w/)?([\w-]+): invalid choice: (.+) \(choose from (.+)\)", text):
        option, got, plain = choice[1], choice[2], choice[3].replace("'", "")
        text = f"Expected {option} to be one of {plain}, but got {got}"
    return re.sub(r'Parser key "([^"]+)": ', r"\1: ", text).rstrip(" .")


class CommandParser(OneLineErrors, ArgumentParser):
    """Parser of one command, whose examples stand below its options; a sub-command has no name."""

    def __init__(self, command: str = "", description: str = "", examples: str = "") -> None:
        super().__init__(
            prog=f"hierars-geo {command}".strip(),
            description=fill(description, _WIDTH),
            epilog=examples + EVERYWHERE,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,  # an option that comes later must not change what a script means
        )


def build_parser(
    run: Run, command: str = "", examples: str = "", options: type | None = None
) -> CommandParser:
    """Build the parser of a command from the signature and the docstring of what runs it.

    Positional arguments stay positional; keyword-only ones become options, ``min_area_m2`` as
    ``--min-area-m2``. Types, choices (Literal), defaults and whether an option takes several values follow
    from the signature, help from the docstring, which describes the command before its arguments. A bool
    that is False by default is a switch, one that may be None has a ``--no-`` form; a list that may be a bool
    may stand without values.

    Args:
        run: What runs the command.
        command: Name after ``hierars-geo``; empty for a sub-command.
        examples: Shown below the options.
        options: Dataclass of groups (dataclasses) whose fields are options, too, under their own names, which
            ``run`` takes as keywords.
    """
    description, texts = _read_docstring(run)
    parser = CommandParser(command, description, examples)
    for name, parameter in inspect.signature(run).parameters.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            keywords = _keywords_of(parameter.annotation)
            if parameter.default is None:
                keywords["nargs"] = "?"
            parser.add_argument(name, help=texts[name], **keywords)
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            _add_option(parser, name, parameter.annotation, parameter.default, texts[name])
    groups: Any = () if options is None else fields(options)
    for group in groups:
        title, texts = _read_docstring(group.type)
        added = parser.add_argument_group(group.name, fill(title, _WIDTH))
        for option in fields(group.type):
            _add_option(added, option.name, option.type, option.default, texts[option.name])
    return parser


def _add_option(
    parser: Any,  # noqa: ANN401  # the parser or a group of it
    name: str,
    kind: Any,  # noqa: ANN401  # an annotation
    default: object,
    text: str,
) -> None:
    keywords = _keywords_of(kind)
    if default is inspect.Parameter.empty:
        keywords["required"] = True
    elif keywords.get("action") != "store_true":
        values = list(default) if isinstance(default, list | tuple) else [default]
        keywords["default"] = values if isinstance(default, list | tuple) else default
        if keywords.get("nargs") == "*" and default is False:
            keywords["default"] = None  # no list: the parser would go through it
        if default not in (None, False) and "default" not in text:
            shown = " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
            text = f"{text.rstrip('.')} (default: {shown})."
    flags = [_LETTERS[name]] if name in _LETTERS else []
    parser.add_argument(*flags, "--" + name.replace("_", "-"), help=text, **keywords)


def _read_docstring(described: object) -> tuple[str, dict[str, str]]:
    """Return what stands before the arguments or attributes, and the text of each of them."""
    text = (inspect.getdoc(described) or "").replace("\n\nAttributes:\n", "\n\nArgs:\n")
    head, _, rest = text.partition("\n\nArgs:\n")
    listed = rest.split("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE)
    texts = {name: " ".join(text.split()).replace("%", "%%") for name, text in entries}
    return " ".join(head.split()), texts


def _keywords_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401  # an annotation
    """Turn the annotation of a parameter into keywords of ``add_argument``."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    kinds = [member for member in members if member not in (NoneType, bool)]
    if not kinds:
        return {"action": BooleanOptionalAction if len(members) > 1 else "store_true"}
    one, *others = kinds
    keywords: dict[str, Any] = {}
    many = get_origin(one) is list or (get_origin(one) is tuple and get_args(one)[-1] is Ellipsis)
    if many:
        keywords["nargs"] = "*" if bool in members else "+"
    elif get_origin(one) is tuple:  # of so many
        keywords["nargs"] = len(get_args(one))
    if get_origin(one) in (list, tuple):
        one = get_args(one)[0]
    if get_origin(one) is Literal:
        return keywords | {"type": str, "choices": get_args(one)}
    if one in (int, float):  # or a word, as in ``int | Literal["auto"]``
        return keywords | {"type": partial(_number, one, get_args(others[0]) if others else ())}
    return keywords | {"type": one}


def _number(kind: Callable[[str], object], words: tuple[str, ...], text: str) -> object:
    """Read a number, nan too, or one of a few words."""
    if text in words:
        return text
    try:
        return kind(text)
    except ValueError:
        wanted = " or ".join(("a whole number" if kind is int else "a number", *words))
        raise ArgumentTypeError(f"Expected {wanted}, but got '{text}'") from None


def build_parser_of_many(
    commands: Mapping[str, Run], command: str, description: str, examples: Mapping[str, str]
) -> CommandParser:
    """Build the parser of a command with sub-commands.

    Args:
        commands: What runs each of them.
        command: Name after ``hierars-geo``.
        description: What they are for.
        examples: Of the command itself by its own name, and of sub-commands.
    """
    parser = CommandParser(command, description, examples.get(command, ""))
    group = parser.add_subcommands()
    for name, run in commands.items():
        summary = (inspect.getdoc(run) or "").split("\n")[0].rstrip(".")
        group.add_subcommand(name, build_parser(run, examples=examples.get(name, "")), help=summary)
    return parser
