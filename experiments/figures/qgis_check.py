"""Open a prediction folder in QGIS itself: say what it shows, and draw a picture of the project.

Run it with the Python that QGIS belongs to (Debian: the package python3-qgis); nothing of this project is
imported. Every raster, polygon layer and project of the folder is opened as a double-click would open it.

    /usr/bin/python3 experiments/figures/qgis_check.py MAPS [--png project.png] [--size 1200 860]

Prints one JSON object: for each layer whether it is valid, its renderer, and its legend as [label, colour].
"""

import argparse
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # a display is not needed

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsLayerTree,
    QgsLayerTreeGroup,
    QgsLayerTreeModel,
    QgsLayerTreeNode,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsLayerTreeView, QgsMapCanvas
from qgis.PyQt.QtCore import QEventLoop, Qt, QTimer
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QSplitter


def legend(layer: QgsMapLayer) -> list[list[str]]:
    """Label and colour of every class that QGIS shows in the layer tree."""
    renderer = layer.renderer()
    if isinstance(renderer, QgsPalettedRasterRenderer):
        return [[entry.label, entry.color.name()] for entry in renderer.classes()]
    if isinstance(layer, QgsVectorLayer) and renderer.type() == "categorizedSymbol":
        return [[entry.label(), entry.symbol().color().name()] for entry in renderer.categories()]
    if isinstance(layer, QgsVectorLayer) and renderer.type() == "RuleRenderer":
        return [[rule.label(), rule.symbol().color().name()] for rule in renderer.rootRule().children()]
    return [[label, color.name()] for label, color in renderer.legendSymbologyItems()]


def describe(layer: QgsMapLayer) -> dict[str, object]:
    """What a user would see of a layer."""
    if not layer.isValid():
        return {"valid": False, "error": layer.error().summary()}
    return {
        "valid": True,
        "crs": layer.crs().authid(),
        "renderer": layer.renderer().type(),
        "legend": legend(layer),
    }


def open_files(folder: Path) -> dict[str, object]:
    """Open every raster and polygon layer of a folder on its own."""
    layers = {path.name: QgsRasterLayer(str(path), path.stem) for path in sorted(folder.glob("*.tif"))}
    for path in sorted(folder.glob("*.gpkg")):
        for level in range(1, 10):
            uri = f"{path}|layername=L{level}"
            layer = QgsVectorLayer(uri, f"L{level}", "ogr")
            if layer.isValid():
                layers[f"{path.name}|L{level}"] = layer
    return {name: describe(layer) for name, layer in layers.items()}


def try_sld(folder: Path) -> dict[str, object]:
    """Give polygons the SLD of the styles table in place of the QML, and see what becomes of it."""
    found: dict[str, object] = {}
    for path in sorted(folder.glob("*.gpkg")):
        with closing(sqlite3.connect(str(path))) as database:
            styles = database.execute("SELECT f_table_name, styleSLD FROM layer_styles").fetchall()
        for name, text in styles:
            layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
            with tempfile.TemporaryDirectory() as folder_of_sld:
                sld = Path(folder_of_sld, "style.sld")
                sld.write_text(text, encoding="utf-8")
                message, accepted = layer.loadSldStyle(str(sld))
            found[f"{path.name}|{name}"] = {"accepted": accepted, "message": message, "legend": legend(layer)}
    return found


def tree(group: QgsLayerTreeGroup) -> list[list[object]]:
    """The layer tree as nested lists: [name, shown, children]."""
    entries = []
    for node in group.children():
        children = tree(node) if QgsLayerTree.isGroup(node) else None
        entries.append([node.name(), node.itemVisibilityChecked(), children])
    return entries


def open_project(path: Path) -> dict[str, object]:
    """Open a project and describe its tree and layers."""
    project = QgsProject.instance()
    read = project.read(str(path))
    layers = {}
    model = QgsLayerTreeModel(project.layerTreeRoot())
    for node in project.layerTreeRoot().findLayers():
        texts = (row.data(Qt.DisplayRole) for row in model.layerLegendNodes(node))
        rows = [text for text in texts if isinstance(text, str)]  # a ramp of colours has no text
        layers["/".join((*parents(node), node.name()))] = describe(node.layer()) | {"rows": rows}
    return {
        "read": read,
        "title": project.title(),
        "layouts": [layout.name() for layout in project.layoutManager().layouts()],
        "crs": project.crs().authid(),
        "tree": tree(project.layerTreeRoot()),
        "layers": layers,
    }


def parents(node: QgsLayerTreeNode) -> list[str]:
    """Names of the groups above a node, outermost first."""
    names: list[str] = []
    above = node.parent()
    while above is not None and above.parent() is not None:
        names.insert(0, above.name())
        above = above.parent()
    return names


def draw(png: Path, size: tuple[int, int]) -> None:
    """Picture the open project as QGIS shows it: the layer tree with its legends, and the map."""
    project = QgsProject.instance()
    window = QSplitter(Qt.Horizontal)
    view = QgsLayerTreeView()
    model = QgsLayerTreeModel(project.layerTreeRoot())
    model.setFlag(QgsLayerTreeModel.AllowNodeChangeVisibility)
    view.setModel(model)
    view.setHeaderHidden(True)
    canvas = QgsMapCanvas()
    canvas.setCanvasColor(QColor("#ffffff"))
    window.addWidget(view)
    window.addWidget(canvas)
    window.resize(*size)
    window.setSizes([340, size[0] - 340])
    window.show()
    canvas.setDestinationCrs(project.crs())
    canvas.setLayers(project.layerTreeRoot().checkedLayers())
    canvas.setExtent(canvas.layers()[0].extent())
    loop = QEventLoop()
    canvas.mapCanvasRefreshed.connect(loop.quit)
    QTimer.singleShot(30_000, loop.quit)  # never waits for good
    canvas.refresh()
    loop.exec_()
    for _ in range(20):  # legends are laid out by the event loop
        QgsApplication.processEvents()
    window.grab().save(str(png))


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("maps", type=Path, help="folder of a prediction")
    parser.add_argument("--png", type=Path, help="picture of the project to write")
    parser.add_argument("--size", type=int, nargs=2, default=(1200, 860), help="of the picture, pixels")
    options = parser.parse_args()
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], True)
    application.initQgis()
    result = {"qgis": Qgis.QGIS_VERSION, "files": open_files(options.maps), "sld": try_sld(options.maps)}
    projects = sorted(options.maps.glob("*.qgz"))
    if projects:
        result["project"] = open_project(projects[0])
        if options.png is not None:
            draw(options.png, options.size)
    sys.stdout.write(json.dumps(result, indent=1) + "\n")
    QgsProject.instance().clear()
    application.exitQgis()


if __name__ == "__main__":
    main()
