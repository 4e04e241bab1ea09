"""What to say of a name that does not exist: the near ones."""

from collections.abc import Sequence
from difflib import get_close_matches


def unknown_name(what: str, name: str, options: Sequence[str]) -> str:
    """Compose the message for an unknown name.

    Args:
        what: What the name should name, for example ``encoder``.
        name: As given.
        options: The names there are.

    Returns:
        One line that lists the nearest names, or the first where none is near.
    """
    distinct = tuple(dict.fromkeys(options))
    near = get_close_matches(name, distinct, n=5, cutoff=0.4) or distinct[:8]
    return f"Expected a known {what}, but got '{name}'. Near ones: {', '.join(near)}."


__all__ = ("unknown_name",)
