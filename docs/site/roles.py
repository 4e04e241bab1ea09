"""Docstrings name other objects as ``:func:`jsps` ``; the reference links to those that it describes."""

import re

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`~?\.?([\w.]+)`")


class RolesAsLinks(griffe.Extension):
    """Writes the roles of Sphinx as links of mkdocs-autorefs."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Replace the roles in the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda role: link(obj, role[1]), obj.docstring.value)


def link(obj: griffe.Object, name: str) -> str:
    """Return a link to what ``name`` means inside an object; plain code where no page describes it."""
    path = name
    if not name.startswith(f"{obj.package.name}."):
        try:
            path = obj.resolve(name)
        except griffe.NameResolutionError:
            return f"`{name}`"
    return f'<autoref optional identifier="{path}"><code>{name.rpartition(".")[2]}</code></autoref>'
