// The page: what there is, what is shown of it, and who acts on a change.

import { updateAreas } from "./areas.js";
import { byId, element, fetchJson, notice } from "./dom.js";
import { buildKeyboard } from "./keyboard.js";
import { buildLayers, choose, layersOf } from "./layers.js";
import { buildLegend } from "./legend.js";
import { addControls, createMap, ViewLayers } from "./map.js";
import { askPixel, closePixel } from "./pixel.js";
import { debounce, Store } from "./store.js";
import { Swipe } from "./swipe.js";

const START_THRESHOLD = 70;

function startState(view) {
  const finest = view.levels.at(-1).level;
  const opacity = Object.fromEntries(layersOf(view).map((name) => [name, name === "image" ? 100 : 0]));
  opacity[`L${finest}`] = 100;
  return {
    view,
    other: null,
    level: finest,
    main: `L${finest}`,
    opacity,
    threshold: START_THRESHOLD,
    only: "",
    border: 50,
  };
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

async function start() {
  const { version, views } = await fetchJson("/views");
  byId("version").textContent = `hierars-geo ${version}`;
  const store = new Store(startState(views[0]));
  const map = createMap(byId("left"), { bounds: views[0].bounds });
  map.getCanvas().setAttribute("aria-label", "Map: arrows move it, plus and minus zoom, Q asks for its centre");
  addControls(map);
  map.on("error", ({ error }) => notice(error.message));
  await map.once("style.load");

  let layers, showLayers, showLegend;
  const build = () => {
    const { view } = store.state;
    layers?.remove();
    closePixel();
    layers = new ViewLayers(map, view);
    showLayers = buildLayers(store, view);
    showLegend = buildLegend(store, view);
    layers.show(store.state);
    document.title = `${view.title} · hierars-geo`;
    byId("title").textContent = view.title;
    byId("subtitle").textContent = [view.taxonomy, view.date].filter(Boolean).join(" · ");
  };
  const swipe = new Swipe(store, map);
  const measure = debounce(() => updateAreas(map, store.state.view, store.state), 200);
  const repaint = debounce((state) => {
    layers.show(state);
    swipe.layers?.show(state);
  }, 60);

  build();
  map.once("idle", () => {
    performance.measure("first map", { start: 0 });
    document.documentElement.dataset.ready = "";
    measure();
  });
  store.on(["opacity", "level", "main", "threshold", "only"], repaint);
  store.on(["opacity", "level", "main"], (state) => showLayers(state));
  store.on(["only"], (state) => showLegend(state));
  store.on(["level", "main", "threshold", "only"], measure);
  map.on("moveend", measure);
  map.on("click", ({ lngLat }) => askPixel(map, store.state.view, lngLat));

  byId("clear").addEventListener("click", () => store.set({ only: "" }));
  buildScenes(store, views);
  store.on(["view"], ({ view }) => {
    build();
    map.fitBounds(view.bounds, { padding: 24, animate: false });
    measure();
  });
  store.on(["view", "other"], (state) => {
    const { view, other } = state;
    swipe.show(other, state);
    for (const [id, shown] of [["left-name", view], ["right-name", other]]) {
      byId(id).hidden = !other;
      byId(id).textContent = shown?.title ?? "";
    }
    notice(other && !overlap(view.bounds, other.bounds) ? `${other.title} lies elsewhere.` : "");
  });
  buildKeyboard([
    {
      key: views[0].levels.map(({ level }) => level).join(" "),
      text: "show that level",
      run: (key) => choose(store, `L${key}`),
    },
    { key: "d", text: "adaptive depth", run: () => chooseKnown(store, "depth") },
    { key: "c", text: "confidence", run: () => chooseKnown(store, "conf") },
    { key: "i", text: "image underneath, on or off", run: () => toggleImage(store) },
    { key: "q", text: "the path of the pixel in the middle", run: () => askPixel(map, store.state.view, map.getCenter()) },
    { key: "s", text: "compare two predictions", run: () => byId("compare").click() },
    { key: "Escape", shown: "Esc", text: "all classes again, close the pixel", run: () => (closePixel(), store.set({ only: "" })) },
    { key: "?", text: "this help", run: () => byId("help").showModal() },
  ]);
}

function chooseKnown(store, name) {
  if (name in store.state.opacity) choose(store, name);
}

function toggleImage(store) {
  const { opacity } = store.state;
  if ("image" in opacity) store.set({ opacity: { ...opacity, image: opacity.image ? 0 : 100 } });
}

function buildScenes(store, views) {
  byId("scenes").hidden = views.length < 2;
  const options = () => views.map(({ title, number }) => element("option", { value: String(number), text: title }));
  const [scene, other, compare] = ["scene", "other", "compare"].map(byId);
  scene.append(...options());
  other.append(...options());
  if (views.length > 1) other.value = "1";
  const show = () => {
    byId("other-row").hidden = !compare.checked;
    store.set({ other: compare.checked ? views[Number(other.value)] : null });
  };
  compare.addEventListener("change", show);
  other.addEventListener("change", show);
  scene.addEventListener("change", () => {
    const view = views[Number(scene.value)];
    store.set({ ...startState(view), other: store.state.other, threshold: store.state.threshold });
  });
}

start().catch((error) => notice(error.message));
