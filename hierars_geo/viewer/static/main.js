// The page: what there is, what is shown of it, and who acts on a change.

import { measureAreas } from "./areas.js";
import { byId, element, fetchJson, notice } from "./dom.js";
import { buildKeyboard } from "./keyboard.js";
import { buildLayers, choose, layersOf } from "./layers.js";
import { buildLegend } from "./legend.js";
import { addControls, createMap, fitTo, sayPlace, ViewLayers } from "./map.js";
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
    threshold: view.promise?.threshold ?? START_THRESHOLD,
    muted: false,
    only: "",
    border: 50,
  };
}

function overlap(a, b) {
  const level = a[1] < b[3] && b[1] < a[3];
  return level && [-360, 0, 360].some((turn) => a[0] + turn < b[2] && b[0] < a[2] + turn);
}

async function start() {
  const { version, views } = await fetchJson("/views"); // kept as they are; news of them go into the state
  byId("version").textContent = `hierars-geo ${version}`;
  const store = new Store(startState(views[0]));
  const map = createMap(byId("left"), { bounds: views[0].bounds }, views[0]);
  map.getCanvas().setAttribute("aria-label", "Map: arrows move it, plus and minus zoom, Q asks for its centre");
  addControls(map);
  sayPlace(map, byId("place"));
  map.on("error", ({ error }) => notice(error.message));
  await map.once("style.load");

  let layers, showLayers, legend;
  const shown = () => [store.state.view, store.state.other].filter(Boolean);
  /** Take up other files: maps that were predicted again while the page was open. */
  const compareVersions = async (pairs) => {
    if (pairs.every(([view, found]) => found === view.version || !shown().includes(view))) return;
    const news = (await fetchJson("/views")).views;
    for (const view of news) views[view.number] = view;
    const { view, other } = store.state;
    store.set({ view: news[view.number], other: other && news[other.number] });
    notice("The maps have changed; this is how they are now.");
  };
  const ask = async (lngLat) => {
    const asked = shown();
    const versions = await askPixel(map, asked, lngLat);
    await compareVersions(versions.map((version, place) => [asked[place], version]));
  };
  const build = () => {
    const { view } = store.state;
    layers?.remove();
    closePixel();
    layers = new ViewLayers(map, view);
    showLayers = buildLayers(store, view);
    legend = buildLegend(store, view);
    layers.show(store.state);
    fitTo(map, view);
    notice(view.note);
    document.title = `${view.title} · hierars-geo`;
    byId("title").textContent = view.title;
    byId("subtitle").textContent = [view.taxonomy, view.date].filter(Boolean).join(" · ");
  };
  const swipe = new Swipe(store, map, ask);
  const busy = new Busy();
  const askAreas = debounce(async () => {
    const { view } = store.state;
    const answer = await measureAreas(map, view, store.state);
    if (!answer || store.state.view !== view) return; // another question is on its way
    legend.measure(answer.areas);
    busy.set("areas", false);
    await compareVersions([[view, answer.version]]);
  }, 200);
  const measure = () => {
    busy.set("areas", true);
    askAreas();
  };
  const repaint = debounce((state) => {
    layers.show(state);
    swipe.layers?.show(state);
  }, 60);

  build();
  map.on("dataloading", () => busy.set("tiles", true));
  map.on("idle", () => busy.set("tiles", false));
  map.once("idle", () => {
    performance.measure("first map", { start: 0 });
    document.documentElement.dataset.ready = "";
    measure();
  });
  store.on(["opacity", "level", "main", "threshold", "muted", "only"], repaint);
  store.on(["opacity", "level", "main"], (state) => showLayers(state));
  store.on(["only", "main"], (state) => legend.show(state));
  store.on(["level", "main", "threshold", "only"], measure);
  map.on("moveend", measure);
  map.on("click", ({ lngLat }) => ask(lngLat));

  byId("muted").addEventListener("change", ({ target }) => store.set({ muted: target.checked }));
  store.on(["muted"], ({ muted }) => byId("legend").classList.toggle("muted", muted));
  byId("clear").addEventListener("click", () => store.set({ only: "" }));
  buildScenes(store, views);
  let at = views[0].number;
  store.on(["view"], ({ view }) => {
    build();
    if (view.number !== at) map.fitBounds(view.bounds, { padding: 24, animate: false });
    at = view.number;
    measure();
  });
  store.on(["view", "other"], (state) => {
    const { view, other } = state;
    swipe.show(other, state);
    for (const [id, shown] of [["left-name", view], ["right-name", other]]) {
      byId(id).hidden = !other;
      byId(id).textContent = shown?.title ?? "";
    }
    if (other && !overlap(view.bounds, other.bounds)) notice(`${other.title} lies elsewhere.`);
  });
  buildKeyboard([
    {
      key: views[0].levels.map(({ level }) => level).join(" "),
      text: "show that level",
      run: (key) => choose(store, `L${key}`),
    },
    { key: "a", text: "adaptive map", run: () => chooseKnown(store, "adaptive") },
    { key: "d", text: "adaptive depth", run: () => chooseKnown(store, "depth") },
    { key: "c", text: "confidence", run: () => chooseKnown(store, "conf") },
    { key: "i", text: "image underneath, on or off", run: () => toggleImage(store) },
    { key: "m", text: "muted colours, on or off", run: () => byId("muted").click() },
    { key: "q", text: "the path of the pixel in the middle", run: () => ask(map.getCenter()) },
    { key: "s", text: "compare two predictions", run: () => byId("compare").click() },
    { key: "Escape", shown: "Esc", text: "all classes again, close the pixel", run: () => (closePixel(), store.set({ only: "" })) },
    { key: "?", text: "this help", run: () => byId("help").showModal() },
  ]);
}

/** A thin bar, and paler figures, while tiles or areas of what was asked for are on their way. */
class Busy {
  #waiting = new Set();

  set(what, waiting) {
    if (waiting) this.#waiting.add(what);
    else this.#waiting.delete(what);
    byId("busy").hidden = this.#waiting.size === 0;
    const stale = this.#waiting.has("areas");
    for (const id of ["legend", "areas-note"]) byId(id).classList.toggle("stale", stale);
  }
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
