"""Parsers whose complaints are one line, like every other error."""

import re
from argparse import RawDescriptionHelpFormatter
from typing import NoReturn

from jsonargparse import ArgumentParser

from ..errors import OptionError
from .verbosity import EVERYWHERE


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
        r'Parser key "([^"]+)": Expected an? (.+?)\. Got value: (.+)',
        r"Expected \1 to be a \2, but got \3",
        text,
    )
    return re.sub(r'Parser key "([^"]+)": ', r"\1: ", text).rstrip(" .")


class CommandParser(OneLineErrors, ArgumentParser):
    """Parser of one command.

    Args:
        command: Name after ``hierars-geo``; empty for a sub-command, whose parent names it.
        description: What it does.
        examples: Shown below the options.
    """

    def __init__(self, command: str = "", description: str = "", examples: str = "") -> None:
        super().__init__(
            prog=f"hierars-geo {command}".strip(),
            description=description,
            epilog=examples + EVERYWHERE,
            formatter_class=RawDescriptionHelpFormatter,
        )


__all__ = ("CommandParser", "OneLineErrors")
