"""``hierars-geo taxonomy``: list, draw and validate class trees, and the crosswalks between them."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from .verbosity import complain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    from ..taxonomy import Crosswalk, Taxonomy

EXAMPLES = {
    "taxonomy": """examples:
  hierars-geo taxonomy list
  hierars-geo taxonomy show mm5b
  hierars-geo taxonomy show my_classes.yaml
  hierars-geo taxonomy validate my_classes.yaml data_catalog/taxonomies/*.yaml my_crosswalk.yaml
  hierars-geo taxonomy crosswalk corine mm5b    # or my_crosswalk.yaml; alone it lists the catalog
"""
}
DESCRIPTION = "List, draw and validate class trees and crosswalks."


def list_trees() -> int:
    """List the trees of the catalog."""
    from ..taxonomy import Taxonomy
    from ..taxonomy.yaml_reader import catalog_names
    from .tables import print_table

    rows = []
    for name in catalog_names("taxonomies"):
        tree = Taxonomy.from_yaml(name)
        rows.append((name, str(tree.num_levels), _counts(tree), str(tree.num_paths), tree.title))
    print_table(("name", "levels", "classes", "paths", "title"), rows, whole=4)
    return 0


def show(taxonomy: str) -> int:
    """Draw a tree with colours, raster values and legal paths.

    Args:
        taxonomy: Name in the catalog or path of a .yaml file.
    """
    from ..taxonomy import Taxonomy
    from .tables import wide_console

    console = wide_console()
    console.print(_draw(Taxonomy.from_yaml(taxonomy), console))
    return 0


def crosswalk(legend: str | None = None, taxonomy: str | None = None) -> int:
    """Show what one legend says in the classes of a tree, and what is lost.

    Args:
        legend: Legend of the catalog, or path of a crosswalk's .yaml file.
        taxonomy: Tree that it is turned into.
    """
    from ..taxonomy import Crosswalk
    from ..taxonomy.class_names import describe_paths
    from ..taxonomy.yaml_reader import catalog_names
    from .tables import print_table

    if legend is None:
        for name in catalog_names("crosswalks"):
            crosswalk = Crosswalk.from_yaml(name)
            sys.stdout.write(f"{name}: {crosswalk.name}\n")
        return 0
    crosswalk = Crosswalk.from_yaml(legend) if taxonomy is None else Crosswalk.between(legend, taxonomy)
    tree = crosswalk.target
    rows = []
    for one in crosswalk.meanings():
        known = tree.shared_levels(one.paths) >= 0
        decided = [name for name, told in zip(tree.level_names, known, strict=True) if told]
        says = "-" if one.paths.all() else ", ".join(describe_paths(tree, one.paths))
        indent = "  " * (one.depth - 1)
        rows.append((one.code, indent + one.name, says, " ".join(decided) or "-"))
    print_table(("code", crosswalk.origin.name, tree.name, "decides"), rows, whole=1)
    for line in _losses(crosswalk):
        sys.stdout.write(f"{line}\n")
    return 0


def _losses(crosswalk: "Crosswalk") -> list[str]:
    """Say in words what a crosswalk loses, and what both legends tell apart."""
    tree, finest = crosswalk.target, crosswalk.finest
    silent = [one.name or one.code for one in crosswalk.silent()]
    lines = [f"{crosswalk.origin.name}: {len(silent)} of {len(finest)} finest classes say nothing"]
    lines[0] += f" ({', '.join(silent)})" if silent else ""
    for level, name in enumerate(tree.level_names, start=1):
        count = sum(bool(tree.shared_levels(one.paths)[level - 1] >= 0) for one in finest)
        never = crosswalk.undecided(level)
        never_words = f"; never {', '.join(never)}" if never else ""
        lines.append(f"{tree.name} {name}: decided by {count} of {len(finest)}{never_words}")
    _, names = crosswalk.common_classes()
    return [*lines, f"told apart by both ({len(names)}): {' | '.join(names)}", f"source: {crosswalk.source}"]


def validate(files: list[str]) -> int:
    """Check files: one line each, exit status 1 if one is not valid.

    Args:
        files: Paths of .yaml files or names in the catalog.
    """
    from ..errors import HieraRSError
    from ..taxonomy import Crosswalk, Taxonomy
    from ..taxonomy.crosswalk import is_crosswalk

    failed = 0
    known = _trees_of(files)
    for file in files:
        try:
            if is_crosswalk(file):
                crosswalk = Crosswalk.from_yaml(file)
                sys.stdout.write(
                    f"OK {file}: {crosswalk.name}, {_plural(len(crosswalk.meanings()), 'class', 'classes')}\n"
                )
                continue
            tree = Taxonomy.from_yaml(file)
            unseen = _check_anchors(tree, file, known)
        except HieraRSError as error:
            failed += 1
            complain(str(error))
        else:
            sys.stdout.write(
                f"OK {file}: {tree.name}, {_plural(tree.num_levels, 'level')} ({_counts(tree)}), "
                f"{_plural(tree.num_paths, 'legal path')}\n"
            )
            if unseen:
                sys.stdout.write(
                    f"   anchors not looked up, as no tree {', '.join(unseen)} is known: give its file, too\n"
                )
    return 1 if failed else 0


def _trees_of(files: list[str]) -> dict[str, "Taxonomy"]:
    """Read the trees that are checked together, by name; what is wrong with a file is said in its turn."""
    from ..errors import HieraRSError
    from ..taxonomy import Taxonomy

    trees = {}
    for file in files:
        with suppress(HieraRSError):
            tree = Taxonomy.from_yaml(file)
            trees[tree.name] = tree
    return trees


def _check_anchors(tree: "Taxonomy", file: str, known: Mapping[str, "Taxonomy"]) -> list[str]:
    """Look anchors up in trees that are checked together, and the catalog's; name those that are neither."""
    from ..errors import TaxonomyError
    from ..taxonomy import Taxonomy
    from ..taxonomy.yaml_reader import catalog_names

    catalog, unseen = catalog_names("taxonomies"), []
    for anchor in tree.anchors:
        name = anchor.source_taxonomy
        if name not in known and name not in catalog:
            unseen.append(name)
            continue
        source = known[name] if name in known else Taxonomy.from_yaml(name)
        try:
            source.locate(anchor)
        except TaxonomyError as error:
            raise TaxonomyError(f"{error} (in {file}, anchors.{anchor.key(tree.levels)})") from error
    return list(dict.fromkeys(unseen))


def _draw(tree: "Taxonomy", console: "Console") -> "Tree":
    """Build the tree to print: one branch per legal path, so a class under two parents is drawn twice."""
    from rich.text import Text
    from rich.tree import Tree

    head = Text(tree.name, style="bold")
    head.append(f"  {tree.title}\n" if tree.title else "\n", style="not bold")
    for number, name in enumerate(tree.level_names, start=1):
        head.append(
            f"{name}: {_plural(tree.num_classes[number - 1], 'class', 'classes')} · ", style="not bold"
        )
    head.append(f"{_plural(tree.num_paths, 'legal path')} · nodata {tree.nodata_value}", style="not bold")
    if tree.ignore_values:
        head.append(f" (also {', '.join(map(str, tree.ignore_values))})", style="not bold")
    root = Tree(head, guide_style="dim")
    branches: dict[tuple[int, ...], Tree] = {}
    for path in sorted(tuple(row) for row in tree.paths.tolist()):
        for level in range(1, tree.num_levels + 1):
            if path[:level] not in branches:
                above = branches[path[: level - 1]] if level > 1 else root
                branches[path[:level]] = above.add(_label(tree, level, path[level - 1], console))
    return root


def _label(tree: "Taxonomy", level: int, index: int, console: "Console") -> "Text":
    from rich.text import Text

    from ..taxonomy import hex_color

    spec = tree.levels[level - 1].classes[index]
    color = hex_color(spec.color)
    swatch = "██" if console.encoding.startswith("utf") else "##"
    width = len(str(max(tree.class_values(level))))
    value = f"{spec.value:>{width}}"
    return Text.assemble((swatch, color), (f" {color} ", "dim"), (value, "bold"), f" {spec.name}")


def _counts(tree: "Taxonomy") -> str:
    return "/".join(str(count) for count in tree.num_classes)


def _plural(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


SUBCOMMANDS = {"list": list_trees, "show": show, "validate": validate, "crosswalk": crosswalk}
