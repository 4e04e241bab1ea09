"""Pages of the site that are made while it is built; MkDocs calls the functions named ``on_...``.

* The home page is README.md, its links seen from here.
* ``reference/*.md``: one page per package, from its ``__all__``. The source is read, never imported.
* ``tutorials/*.md``: the scripts of docs/tutorials, cell by cell, as Jupytext reads them.
* ``reference/commands.md``: what ``hierars-geo COMMAND --help`` says, from the parsers themselves.
"""

import ast
import functools
import re
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

from hierars_geo.cli import COMMANDS, parser_of

ROOT = Path(__file__).parents[2]
PACKAGE = "hierars_geo"

#: Rooms whose names are not for scripts: the command line has a page of its own.
NOT_IN_REFERENCE = {"cli"}

#: The width in characters of the pages' code blocks.
HELP_WIDTH = 100

#: Commands whose options are Lightning's, several hundred of them.
LIGHTNING = ("fit", "validate", "test")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill the reference into the navigation; make anchors as GitHub does, so that links hold in both."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    reference: list[dict[str, str]] = [{"Commands": "reference/commands.md"}]
    reference += [{name: f"reference/{name}.md"} for name, _ in public_modules()]
    for section in config.nav or []:
        if "Reference" in section:
            section["Reference"] = reference
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    pages = {
        "index.md": home_page(),
        "licence.md": f"# Licence\n\n```text\n{(ROOT / 'LICENSE').read_text(encoding='utf-8')}```\n",
        "reference/commands.md": commands_page(),
    }
    pages |= {f"reference/{name}.md": module_page(name, path) for name, path in public_modules()}
    scripts = (ROOT / "docs" / "tutorials").glob("*.py")
    pages |= {f"tutorials/{path.stem}.md": tutorial_page(path) for path in scripts}
    for uri, content in pages.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401  # MkDocs hands over more
    """Lead to the pages of tutorials, not their scripts; keep a figure and its spread on one line."""
    markdown = re.sub(r"(?<=\(tutorials/)(\w+)\.py(?=\))", r"\1.md", markdown)
    return re.sub(r"(?<=\d) ± (?=\d)", "\u00a0±\u00a0", markdown)


def home_page() -> str:
    """Return README.md with links as seen from the folder of the documentation."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(\]\(|(?<!!)\[)docs/", r"\1", text)
    text = text.replace("[LICENSE](LICENSE)", "[the licence](licence.md)")
    return f"---\nhide: [navigation]\n---\n{text}"


def tutorial_page(path: Path) -> str:
    """Return a script in percent format as a page: cells of text, and cells of code in fences."""
    lines = []
    for cell in re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        head, body = cell.split("\n", 1)
        if head.strip() == "[markdown]":
            lines += [re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE), ""]
        else:
            lines += ["```python", body.strip(), "```", ""]
    lines += [f"The script: [{path.name}]({path.name}); Jupyter opens it as a notebook with Jupytext.", ""]
    return "\n".join(lines)


def public_modules() -> list[tuple[str, Path]]:
    """Return name below the package, and file, of every module and package that has a public face."""
    single = [(path.stem, path) for path in (ROOT / PACKAGE).glob("[!_]*.py")]
    packages = [
        (".".join(path.parent.relative_to(ROOT / PACKAGE).parts), path)
        for path in (ROOT / PACKAGE).glob("*/**/__init__.py")
    ]
    return sorted(
        (name, path) for name, path in single + packages if name.split(".")[0] not in NOT_IN_REFERENCE
    )


def public_names(path: Path) -> tuple[str, ...]:
    """Return ``__all__`` of a module, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    raise ValueError(f"Expected {path} to end with __all__, but it does not. Add it.")


def module_page(name: str, path: Path) -> str:
    """Return the page of one module; names that the package above it has, too, are described there."""
    names = public_names(path)
    above = path.parents[1] / "__init__.py"
    known = set(public_names(above)) if "." in name else set()
    lines = [
        f"# {PACKAGE}.{name}",
        "",
        f"::: {PACKAGE}.{name}",
        "    options: {members: false, show_root_heading: false, show_root_toc_entry: false}",
        "",
    ]
    if known & set(names):
        there = name.rpartition(".")[0]
        listed = ", ".join(f"`{n}`" for n in names if n in known)
        lines += [f"Also in [{PACKAGE}.{there}]({there}.md), and described there: {listed}.", ""]
    for member in names:
        if member not in known:
            # a name that a module bears, too, would be taken for the module
            module = f"{member}." if (path.parent / f"{member}.py").exists() else ""
            lines += [f"::: {PACKAGE}.{name}.{module}{member}", ""]
    return "\n".join(lines)


def commands_page() -> str:
    """Return what every command says to ``--help``."""
    lines = [
        "# Commands",
        "",
        "`hierars-geo COMMAND`, also `python -m hierars_geo COMMAND`. Exit status 0 is done, 1 the work "
        "failed, 2 the command was called wrongly, 130 interrupted. Errors are one line; `--debug` shows the "
        "traceback.",
        "",
        "| command | |",
        "|---|---|",
        *(f"| [`{name}`](#{name}) | {summary} |" for name, (_, summary) in COMMANDS.items()),
        "",
    ]
    for command, (_, summary) in COMMANDS.items():
        lines += [f"## {command}", ""]
        if command in LIGHTNING:
            lines += [
                f"{summary[0].upper()}{summary[1:]}. `hierars-geo {command} --help` lists every option; the "
                "ones that matter are explained in "
                "[Train on my own scenes](../howto.md#train-on-my-own-scenes) and "
                "[Samplers, splits, statistics and augmentation]"
                "(../data.md#samplers-splits-statistics-and-augmentation).",
                "",
            ]
            continue
        for title, parser in parsers(command):
            lines += [f"### {command} {title}", ""] if title else []
            lines += ["```text", help_text(parser), "```", ""]
    return "\n".join(lines)


def parsers(command: str) -> Iterator[tuple[str, ArgumentParser]]:
    """Yield the parser of a command, under an empty name, and then those of its sub-commands."""
    parser = parser_of(command)
    yield "", parser
    for action in parser._actions:
        if action.dest == "subcommand":
            yield from action.choices.items()


def help_text(parser: ArgumentParser) -> str:
    """Return a parser's help at the width of the page, whatever the terminal."""
    parser.description = textwrap.fill(parser.description or "", HELP_WIDTH)
    parser.formatter_class = functools.partial(parser.formatter_class, width=HELP_WIDTH)
    return parser.format_help().rstrip()
