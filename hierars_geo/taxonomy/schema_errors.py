"""What a YAML file breaks of its schema, in words."""

from pydantic import ValidationError

_REASONS = {"missing": "the key is missing", "extra_forbidden": "unknown key"}


def first_complaint(error: ValidationError) -> str:
    """Name the first key that is wrong, why, and how many more there are: ``bands.0.gsd: unknown key``."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(top)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return f"{key}: {reason}{more}"


__all__ = ("first_complaint",)
