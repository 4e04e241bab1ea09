"""Anchors: classes of a target tree that mean the same as a class of the source tree (TransLU, CDSA)."""

from dataclasses import dataclass

from ..errors import TaxonomyError
from .schema import LevelSpec


@dataclass(frozen=True)
class Anchor:
    """One anchored class.

    Attributes:
        level: Level of the target tree, from 1.
        index: Class index at that level.
        source_taxonomy: Name of the source tree.
        source_level: Name of the level there.
        source_class: Name of the class there.
    """

    level: int
    index: int
    source_taxonomy: str
    source_level: str
    source_class: str

    @property
    def target(self) -> str:
        """``taxonomy/level/class``, as in the file."""
        return f"{self.source_taxonomy}/{self.source_level}/{self.source_class}"

    def key(self, levels: tuple[LevelSpec, ...]) -> str:
        """``level/class`` of the target tree, as in the file."""
        level = levels[self.level - 1]
        return f"{level.name}/{level.classes[self.index].name}"


def parse_anchors(anchors: dict[str, str], levels: tuple[LevelSpec, ...], origin: str) -> tuple[Anchor, ...]:
    """Resolve ``{class or level/class: taxonomy/level/class}``.

    Args:
        anchors: The mapping of the file.
        levels: Complete levels of the target tree.
        origin: The file's name, for messages.

    Returns:
        Anchors, coarsest level first.

    Raises:
        TaxonomyError: A key is no class or one of several levels, a class has two anchors, or a target has
            another form.
    """
    parsed: dict[tuple[int, int], Anchor] = {}
    for key, target in anchors.items():
        anchor = _parse_anchor(key, target, levels, origin)
        if (anchor.level, anchor.index) in parsed:
            raise TaxonomyError(
                f"Expected one anchor per class, but '{anchor.key(levels)}' has two (in {origin}, anchors)."
            )
        parsed[anchor.level, anchor.index] = anchor
    return tuple(parsed[place] for place in sorted(parsed))


def _parse_anchor(key: str, target: str, levels: tuple[LevelSpec, ...], origin: str) -> Anchor:
    matches = [
        (number, index)
        for number, level in enumerate(levels, start=1)
        for index, spec in enumerate(level.classes)
        if key in (spec.name, f"{level.name}/{spec.name}")
    ]
    if len(matches) != 1:
        found = "no such class" if not matches else f"a class of {len(matches)} levels"
        raise TaxonomyError(
            f"Expected the anchor to name one class, but '{key}' is {found} (in {origin}, anchors). "
            "Write it as level/class."
        )
    parts = target.split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise TaxonomyError(
            f"Expected the anchor of '{key}' to be taxonomy/level/class, but got '{target}' "
            f"(in {origin}, anchors)."
        )
    level, index = matches[0]
    return Anchor(level, index, *parts)


__all__ = ("Anchor", "parse_anchors")
