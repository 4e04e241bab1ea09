"""Class trees in a line a level."""

from hierars_geo.taxonomy import Taxonomy


def tree_content(name, nodata=None, **levels):
    """Write a tree down: level -> class -> its value, or (value, parent); every class has another colour."""
    listed, number = [], 0
    for level, classes in levels.items():
        entries = []
        for title, said in classes.items():
            value, *parent = said if isinstance(said, tuple) else (said,)
            number += 1
            color = f"#{number * 67 % 256:02x}{number * 131 % 256:02x}{number * 29 % 256:02x}"
            entry = {"name": title, "value": value, "color": color}
            entries.append(entry | ({"parent": parent[0]} if parent else {}))
        listed.append({"name": level, "classes": entries})
    return {"name": name, "levels": listed} | ({} if nodata is None else {"nodata": nodata})


def tree_of(name, nodata=None, **levels):
    """Build the tree of :func:`tree_content`."""
    return Taxonomy.from_dict(tree_content(name, nodata, **levels))
