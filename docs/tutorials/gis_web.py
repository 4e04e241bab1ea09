# %% [markdown]
# # Into QGIS and the web
#
# From maps to polygons, tables, a report, a QGIS project and a map page. Any class rasters will do; here the labels of a
# generated scene are the map, so that nothing has to be trained.

# %%
import tempfile
from pathlib import Path

import geopandas
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

import hierars_geo as hg

spec = hg.synthetic.scene_series(1, size_m=1280, seed=0, sensors=("sentinel2",))[0]
scene = hg.synthetic.write_land_cover_scene(spec, tempfile.mkdtemp())
folder = Path("maps")
folder.mkdir()
raster = scene.labels.rename(folder / "place_L3.tif")  # the name says the level
maps = hg.Maps.open(raster, "mm5b")
print(maps)

# %% [markdown]
# ## Polygons that nest
#
# One layer per level, styled. Every polygon of level 3 lies inside one of level 2, that inside one of level 1, and
# neighbours share their borders. `min_area_m2` gives specks to their neighbours.

# %%
maps.vectorize(folder / "place.gpkg", min_area_m2=1000)
layers = [geopandas.read_file(folder / "place.gpkg", layer=f"L{level}") for level in maps.levels]
print(layers[0][["class_name", "area_m2"]].head())
figure = Figure(figsize=(7, 5), layout="constrained")
axes = figure.subplots()
names, colors = maps.taxonomy.class_names(1), np.array(maps.taxonomy.colors(1)) / 255
layers[0].plot(
    "class_name",
    ax=axes,
    categories=names,
    cmap=ListedColormap(colors),
    legend=True,
    legend_kwds={"loc": "center left", "bbox_to_anchor": (1, 0.5)},
)
layers[-1].boundary.plot(ax=axes, color="black", linewidth=0.3)
axes.set_axis_off()
figure.savefig("gis_web.png", dpi=60)

# %% [markdown]
# ![Polygons of level 1, outlines of level 3](gis_web.png)
#
# White holds no label.
#
# ## Areas, the report and the QGIS project
#
# Areas are those of the ellipsoid. `report(gis=True)` writes `place.qgz`, which QGIS opens with all layers in their
# groups and colours, styles for map servers, and a style for MapLibre.

# %%
areas = maps.areas()
print(areas[areas.level == 1][["class_name", "area_m2", "share"]])
page = maps.report(gis=True)
print(sorted(path.name for path in folder.iterdir()))

# %% [markdown]
# ## A map page of this machine
#
# `hierars-geo view maps` opens a page in the browser: levels, confidence, areas of what is in view, and two predictions side
# by side. Nothing is sent anywhere.

# %% [markdown]
# In a notebook, [leafmap](https://leafmap.org) (`pip install leafmap localtileserver`) lays the raster, in the colours of the
# tree, and the outlines over a web map:
#
# ```python
# import leafmap.foliumap as leafmap
#
# m = leafmap.Map()
# m.add_raster("maps/place_L3.tif", layer_name="level 3")
# m.add_gdf(layers[0], "level 1", style_function=lambda _: {"color": "black", "weight": 1, "fill": False})
# m
# ```
#
# This machine serves the raster while Python runs; with polygons alone, `m.to_html("map.html")` is a page for others.

# %%
polygons = [layer.area.sum() for layer in layers]
assert max(polygons) - min(polygons) < 1  # m2: all levels cover the same ground
assert (folder / "place.qgz").exists()
assert page.read_text(encoding="utf-8").count("data:image/png")  # the report brings its pictures along

# %% [markdown]
# ## Where to go on
#
# * Columns, formats, styles, districts: [into the GIS](../gis.md).
# * A model that runs inside QGIS: [export](../export.md#qgis-the-plugin-deepness).
# * What to try first on your own ground: [choose](../choose.md).
