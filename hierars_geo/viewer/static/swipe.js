// Two predictions on one map, with a border to drag: the right map is clipped, both cameras move together.

import { byId } from "./dom.js";
import { createMap, fitTo, sayPlace, ViewLayers } from "./map.js";

const STEP = 2;

export class Swipe {
  #moving = false;

  constructor(store, left, onClick) {
    this.store = store;
    this.onClick = onClick;
    this.left = left;
    this.right = null;
    this.layers = null;
    this.#follow();
    store.on(["border"], (state) => this.#clip(state.border));
  }

  /** Show a view on the right, or nothing. */
  async show(view, state) {
    this.layers?.remove();
    this.layers = null;
    const shown = view !== null;
    for (const id of ["right", "divider"]) byId(id).hidden = !shown;
    if (!shown) return;
    if (!this.right) await this.#open(view);
    fitTo(this.right, view);
    this.right.resize();
    this.#copy(this.left, this.right);
    this.layers = new ViewLayers(this.right, view);
    this.layers.show(state);
    this.#clip(state.border);
  }

  async #open(view) {
    const map = createMap(byId("right"), { center: this.left.getCenter(), zoom: this.left.getZoom() }, view);
    sayPlace(map, byId("place"));
    await map.once("load");
    this.right = map;
    this.left.on("move", () => this.#copy(this.left, map));
    map.on("move", () => this.#copy(map, this.left));
    map.on("click", ({ lngLat }) => this.onClick(lngLat));
  }

  #copy(from, to) {
    if (this.#moving || byId("right").hidden) return;
    this.#moving = true;
    to.jumpTo({ center: from.getCenter(), zoom: from.getZoom(), bearing: from.getBearing() });
    this.#moving = false;
  }

  #clip(border) {
    byId("right").style.clipPath = `inset(0 0 0 ${border}%)`;
    byId("divider").style.left = `${border}%`;
    byId("divider").setAttribute("aria-valuenow", String(Math.round(border)));
  }

  #follow() {
    const divider = byId("divider");
    const put = (border) => this.store.set({ border: Math.min(100, Math.max(0, border)) });
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (!divider.hasPointerCapture(event.pointerId)) return;
      const { left, width } = byId("stage").getBoundingClientRect();
      put(((event.clientX - left) / width) * 100);
    });
    divider.addEventListener("keydown", (event) => {
      const { border } = this.store.state;
      const to = { ArrowLeft: border - STEP, ArrowRight: border + STEP, Home: 0, End: 100 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      put(to);
    });
  }
}
