"""Class trees: what YAML can say, and what a tree must not be."""
# ruff: noqa: E501 - one case per line is a table to read

import os

import yaml
from fault_bench import TREE
from fault_case import Case

VALIDATE = "taxonomy validate @x.yaml"
GOOD = yaml.safe_dump(TREE, sort_keys=False)


def text(content, encoding="utf-8"):
    return lambda folder, bench: (folder / "x.yaml").write_bytes(
        content if isinstance(content, bytes) else content.encode(encoding)
    )


def swap(old, new, encoding="utf-8"):
    assert old in GOOD, old
    return text(GOOD.replace(old, new, 1), encoding)


def levels(count, classes=1):
    """A tree of many levels; every class below the first has one parent."""
    content = {"name": "deep", "levels": []}
    for level in range(count):
        entries = [
            {"name": f"c{level}_{k}", "value": k + 1, "color": [k % 256, k // 256 % 256, 0]}
            | ({"parent": f"c{level - 1}_{k}"} if level else {})
            for k in range(classes)
        ]
        content["levels"].append({"name": f"L{level}", "classes": entries})
    return text(yaml.safe_dump(content))


def pipe(folder, bench):
    os.mkfifo(folder / "x.yaml")


#: Trees that are fine, however they look.
STRANGE = {
    "names of other scripts": swap("name: field", "name: 畑 🌾 حقل"),
    "names that combine": swap("name: field", "name: fie\u0301ld"),
    "a name of markup": swap("name: field", "name: '<b>[red]{{ 7*7 }}</b>'"),
    "a name that looks like a path": swap("name: field", "name: ../../etc/passwd"),
    "a name of 200 letters": swap("name: field", f"name: {'f' * 200}"),
    "a byte-order mark": text("\ufeff" + GOOD),
    "lines of another system": text(GOOD.replace("\n", "\r\n")),
    "one level": levels(1),
    "30 levels": levels(30, 2),
    "2 000 classes": levels(1, 2000),
    "a name in base 64": swap("name: field", "name: !!binary aGVsbG8="),
    "a value in hexadecimal": swap("value: 4", "value: 0x1F"),
}

#: Name -> (file, pattern of the line).
BROKEN = {
    "a call of Python": (swap("name: tiny", "name: !!python/object/apply:os.mkdir [owned]"), "could not determine a constructor"),
    "a name of Python": (swap("name: tiny", "name: !!python/name:os.system"), "could not determine a constructor"),
    "a module of Python": (swap("name: tiny", "name: !!python/module:os ''"), "could not determine a constructor"),
    "a tag of somebody": (swap("name: tiny", "name: !include /etc/passwd"), "could not determine a constructor"),
    "a set": (swap("name: tiny", "name: !!set {a, b}"), "name: .*string"),
    "a merge of a list": (text("a: &a [1]\nb:\n  <<: *a\n"), "x.yaml"),
    "a key that is a list": (text("? [a, b]\n: 1\n" + GOOD), "x.yaml"),
    "two documents": (text(GOOD + "\n---\n" + GOOD), "x.yaml"),
    "a bomb of merges": (text("a: &a {x: 1}\n" + "".join(f"b{k}: {{<<: *a}}\n" for k in range(9))), "repeats a list or mapping"),
    "bytes that are no text": (text(b"\xff\xfe\xfa\x00" * 50), "x.yaml"),
    "text of 16 bits": (text(GOOD, "utf-16"), "x.yaml"),
    "Latin 1": (swap("name: field", "name: Grünland", "latin-1"), "x.yaml"),
    "a zero byte": (swap("name: field", "name: fi\0eld"), "x.yaml"),
    "a tabulator": (swap("  classes:", "\tclasses:"), "x.yaml"),
    "a number of 10 000 digits": (swap("value: 4", f"value: {'9' * 10_000}"), "x.yaml"),
    "a value that is NaN": (swap("value: 4", "value: .nan"), "value"),
    "a value that is infinite": (swap("value: 4", "value: .inf"), "value"),
    "a fraction": (swap("value: 4", "value: 4.5"), "value"),
    "a float that is whole": (swap("value: 4", "value: 4.0"), "value"),
    "base 60": (swap("value: 4", "value: 20:30:40"), "value"),
    "a name that is a truth": (swap("name: field", "name: no"), "name: .*string"),
    "a name that is a number": (swap("name: field", "name: 12"), "name: .*string"),
    "a name that is a date": (swap("name: field", "name: 2024-01-01"), "name: .*string"),
    "a name that turns the writing": (swap("name: field", "name: fi\u202eeld"), "x.yaml"),
    "a line separator in a name": (swap("name: field", 'name: "a\\u2028b"'), "one line"),
    "a name of 201 letters": (swap("name: field", f"name: {'f' * 201}"), "200"),
    "a title of a book": (swap("name: tiny", f"name: tiny\ntitle: {'t' * 1001}"), "1000"),
    "levels that are a mapping": (text("name: x\nlevels: {a: 1}\n"), "levels"),
    "levels that are text": (text("name: x\nlevels: abc\n"), "levels"),
    "classes of nothing": (text("name: x\nlevels: [{name: L1, classes: null}]\n"), "classes"),
    "a nodata that is a class": (swap("name: tiny", "name: tiny\nnodata: 3"), "nodata 3"),
    "a negative nodata": (swap("name: tiny", "name: tiny\nnodata: -1"), "nodata"),
    "anchors that are a list": (swap("name: tiny", "name: tiny\nanchors: [a]"), "anchors"),
    "an anchor into the dark": (swap("name: tiny", "name: tiny\nanchors: {L1/land: mm5b/L1/Nope}"), "Nope"),
    "lists in lists": (text("name: x\n" + "levels: [" + "[" * 40), "nested deeper"),
    "a pipe for a tree": (pipe, "x.yaml"),
    "a folder for a tree": (lambda folder, bench: (folder / "x.yaml").mkdir(), "x.yaml"),
}  # fmt: skip


def said_ok(folder, bench):
    assert not (folder / "owned").exists()


CASES = [
    *(Case(name, VALIDATE, make, 0, "", said_ok) for name, make in STRANGE.items()),
    *(Case(name, VALIDATE, make, 1, says) for name, (make, says) in BROKEN.items()),
    Case(
        "a tree of other classes for maps",
        "vectorize LEAVES --taxonomy @x.yaml -o OUT/x.gpkg",
        levels(1, 3),
        1,
        "but got 4",
    ),
    Case(
        "a tree with a call for a model",
        "expand CKPT --taxonomy @x.yaml -o OUT/x.ckpt",
        BROKEN["a call of Python"][0],
        1,
        "constructor",
    ),
]
