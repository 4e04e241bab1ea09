// One MapLibre map of one view: a raster layer per tile layer of the server, blended by opacity.

import * as maplibregl from "/static/vendor/maplibre-gl.mjs";

/** Zooms beyond the one at which pixels of a view are sharp. */
const BEYOND_SHARP = 3;

/** How much of the saturation of classes is taken away where colours are muted, as MapLibre counts it. */
const MUTED = -0.5;

/** Make a map; camera is { bounds } or { center, zoom }. */
export function createMap(container, camera, view) {
  return new maplibregl.Map({
    container,
    style: {
      version: 8,
      sources: {},
      layers: [{ id: "paper", type: "background", paint: { "background-color": "#e9edef" } }],
    },
    ...camera,
    fitBoundsOptions: { padding: 24 },
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    renderWorldCopies: crosses(view),
    maxZoom: view.maxZoom + BEYOND_SHARP,
    fadeDuration: 0,
  });
}

/** Let a map go as far as a view does: over the 180th meridian, and not far beyond its pixels. */
export function fitTo(map, view) {
  map.setRenderWorldCopies(crosses(view));
  map.setMaxZoom(view.maxZoom + BEYOND_SHARP);
}

const crosses = (view) => view.bounds[2] > 180;

export function addControls(map) {
  map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-left");
}

/** Say where the mouse is, as finely as a pixel of the screen. */
export function sayPlace(map, output) {
  map.on("mousemove", ({ lngLat, point }) => {
    const step = Math.abs(map.unproject([point.x + 1, point.y]).lng - lngLat.lng);
    const digits = Math.min(7, Math.max(0, Math.ceil(-Math.log10(step || 1))));
    const { lng, lat } = lngLat.wrap();
    const north = `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? "S" : "N"}`;
    output.textContent = `${north}, ${Math.abs(lng).toFixed(digits)}° ${lng < 0 ? "W" : "E"}`;
    output.hidden = false;
  });
  map.on("mouseout", () => (output.hidden = true));
}

export const popup = (options) => new maplibregl.Popup(options);

/** From bottom to top. */
function order(view) {
  const levels = view.levels.map(({ level }) => `L${level}`);
  return ["image", ...levels, "adaptive", "depth", "conf"].filter((name) => name === "conf" || name in view.layers);
}

/** Address of a layer's tiles under a state; null where the view has no such layer. */
function address(view, name, state) {
  const layer = name === "conf" ? `conf_L${state.level}` : name;
  if (!(layer in view.layers)) return null;
  let url = location.origin + view.layers[layer];
  if (name === "depth") url += `&threshold=${state.threshold}`;
  if (state.only && name !== "image" && name !== "conf") url += `&only=${state.only}`;
  return url;
}

/** The layers of one view on one map: those that can be seen are loaded, the image after the maps above it. */
export class ViewLayers {
  constructor(map, view) {
    this.map = map;
    this.view = view;
    this.urls = {};
    this.state = null;
    this.settled = false;
    map.once("idle", () => {
      this.settled = true;
      if (this.state) this.show(this.state);
    });
  }

  /** Blend the layers as the state says. */
  show(state) {
    this.state = state;
    for (const name of order(this.view)) {
      if (name === "image" && !this.settled) continue;
      const opacity = state.opacity[name] ?? 0;
      const url = address(this.view, name, state);
      if (opacity > 0 && url) this.#put(name, url);
      if (this.map.getLayer(name)) {
        this.map.setLayoutProperty(name, "visibility", opacity > 0 && url ? "visible" : "none");
        this.map.setPaintProperty(name, "raster-opacity", opacity / 100);
        const classes = name !== "image" && name !== "conf";
        this.map.setPaintProperty(name, "raster-saturation", state.muted && classes ? MUTED : 0);
      }
    }
  }

  remove() {
    for (const name of Object.keys(this.urls)) {
      this.map.removeLayer(name);
      this.map.removeSource(name);
    }
    this.urls = {};
    this.state = null;
  }

  #put(name, url) {
    if (this.urls[name] === url) return;
    const known = name in this.urls;
    this.urls[name] = url;
    if (known) {
      this.map.getSource(name).setTiles([url]);
      return;
    }
    const [west, south, east, north] = this.view.bounds;
    const around = crosses(this.view) ? [-180, south, 180, north] : [west, south, east, north];
    this.map.addSource(name, {
      type: "raster",
      tiles: [url],
      tileSize: 512,
      maxzoom: this.view.maxZoom,
      bounds: around,
    });
    const above = order(this.view).slice(order(this.view).indexOf(name) + 1);
    const before = above.find((other) => this.map.getLayer(other));
    const resampling = name === "image" ? "linear" : "nearest";
    const paint = { "raster-fade-duration": 0, "raster-resampling": resampling };
    this.map.addLayer({ id: name, type: "raster", source: name, paint }, before);
  }
}
