"""Find the YAML files of the data catalog, in the repository or inside the installed wheel."""

from difflib import get_close_matches
from pathlib import Path

from ..errors import MissingFileError

_PACKAGE = Path(__file__).resolve().parents[1]
#: In the wheel the catalog lies inside the package, in the repository beside it.
CATALOG_ROOT = (
    _PACKAGE / "data_catalog" if (_PACKAGE / "data_catalog").is_dir() else _PACKAGE.parent / "data_catalog"
)


def catalog_names(kind: str) -> tuple[str, ...]:
    """List the entries of one kind.

    Args:
        kind: A folder of the catalog, for example ``"taxonomies"``.

    Returns:
        Names without suffix, sorted.
    """
    return tuple(sorted(path.stem for path in (CATALOG_ROOT / kind).glob("*.yaml")))


def resolve_catalog_file(kind: str, name_or_path: str | Path) -> Path:
    """Turn a catalog name or the path of a YAML file into a path that exists.

    Anything with a ``.yaml``/``.yml`` suffix or a folder in it is a path; the rest is looked up in the
    catalog.

    Args:
        kind: A folder of the catalog, for example ``"taxonomies"``.
        name_or_path: ``"mm5b"`` or ``"my/tree.yaml"``.

    Returns:
        The path of the file.

    Raises:
        MissingFileError: There is no such file or entry; near names are listed.
    """
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        if not path.is_file():
            raise MissingFileError(
                f"Expected {path} to be a YAML file, but it does not exist. Check the path."
            )
        return path
    names = catalog_names(kind)
    if str(name_or_path) not in names:
        near = get_close_matches(str(name_or_path), names, n=3) or names
        raise MissingFileError(
            f"Expected a catalog entry of {kind} or the path of a .yaml file, but got '{name_or_path}'. "
            f"Did you mean: {', '.join(near)}?"
        )
    return CATALOG_ROOT / kind / f"{name_or_path}.yaml"


__all__ = ("CATALOG_ROOT", "catalog_names", "resolve_catalog_file")
