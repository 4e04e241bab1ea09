"""Parsers whose complaints are one line, like every other error."""

from argparse import RawDescriptionHelpFormatter
from typing import NoReturn

from jsonargparse import ArgumentParser

from ..errors import OptionError


class OneLineErrors:
    """Mix into a parser: it raises OptionError in place of printing its usage and exiting."""

    prog: str

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what is wrong with the options.

        Raises:
            OptionError: Always; exit status 2.
        """
        text = " ".join(message.split("Given value type:")[0].split()).rstrip(".")
        raise OptionError(f"{text}. See {self.prog.replace(' [options]', '')} --help.") from ex


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
            epilog=examples,
            formatter_class=RawDescriptionHelpFormatter,
        )


__all__ = ("CommandParser", "OneLineErrors")
