// The controls of the layers: which map is shown, how they blend, the threshold of adaptive depth.

import { byId, element } from "./dom.js";
import { only } from "./store.js";

const TITLES = { adaptive: "Adaptive map", depth: "Adaptive depth", conf: "Confidence", image: "Image underneath" };

/** Names of the layers that a view offers, from the top of the list. */
export function layersOf(view) {
  const names = view.levels.map(({ level }) => `L${level}`);
  for (const name of ["adaptive", "depth"]) if (name in view.layers) names.push(name);
  if (view.levels.some(({ confidence }) => confidence)) names.push("conf");
  if ("image" in view.layers) names.push("image");
  return names;
}

/** Show one layer alone; a level becomes the one that legend, confidence and areas speak of. */
export function choose(store, name) {
  const changes = { main: name, opacity: only(store.state.opacity, name) };
  if (/^L\d+$/.test(name)) changes.level = Number(name.slice(1));
  store.set(changes);
}

export function buildLayers(store, view) {
  const box = byId("layers");
  box.replaceChildren();
  const rows = {};
  for (const name of layersOf(view)) {
    rows[name] = row(store, view, name);
    box.append(rows[name].line);
    if (name === "adaptive") box.append(element("p", { id: "adaptive-note", class: "soft sub", text: view.adaptive }));
    if (name === "depth") box.append(threshold(store), ...promise(view));
    if (name === "conf") box.append((rows.conf.ramp = ramp(view)));
  }
  const update = ({ main, opacity, level }) => {
    for (const [name, { radio, slider, output, text }] of Object.entries(rows)) {
      if (radio) radio.checked = main === name;
      slider.value = opacity[name];
      output.textContent = `${opacity[name]} %`;
      if (name !== "conf") continue;
      text.textContent = `${TITLES.conf} of ${levelName(view, level)}`;
      rows.conf.ramp.hidden = !opacity.conf;
    }
  };
  update(store.state);
  return update;
}

export function levelName(view, level) {
  return view.levels.find((entry) => entry.level === level)?.name ?? `level ${level}`;
}

function row(store, view, name) {
  const level = view.levels.find((entry) => `L${entry.level}` === name);
  const title = TITLES[name] ?? level.name;
  const counted = level ? [` · ${level.classes.length} classes`] : [];
  const text = element("span", {}, [title, ...counted.map((words) => element("small", { text: words }))]);
  const radio =
    name === "image"
      ? null
      : element("input", { type: "radio", name: "main", value: name, onchange: () => choose(store, name) });
  const slider = element("input", {
    type: "range",
    min: "0",
    max: "100",
    step: "5",
    "aria-label": `Opacity of ${title}`,
    "data-layer": name,
    oninput: () => store.set({ opacity: { ...store.state.opacity, [name]: Number(slider.value) } }),
  });
  const output = element("output");
  const label = element("label", {}, radio ? [radio, text] : [text]);
  return { line: element("div", { class: "layer" }, [label, slider, output]), radio, slider, output, text };
}

function threshold(store) {
  const output = element("output", { text: `${store.state.threshold} %` });
  const slider = element("input", {
    type: "range",
    id: "threshold",
    min: "0",
    max: "100",
    step: "1",
    value: String(store.state.threshold),
    oninput: () => {
      output.textContent = `${slider.value} %`;
      store.set({ threshold: Number(slider.value) });
    },
  });
  const label = element("label", { for: "threshold", text: "sure to at least" });
  return element("div", { class: "layer sub" }, [label, slider, output]);
}

/** What adaptive depth promises from a confidence on, where no adaptive map says so itself. */
function promise(view) {
  if (!view.promise || view.adaptive) return [];
  const text = `At ${view.promise.threshold} %: ${view.promise.text}`;
  return [element("p", { id: "promise", class: "soft sub", text })];
}

function ramp(view) {
  const bar = element("span", { class: "ramp", role: "img", "aria-label": "Colours from 0 to 100 per cent" });
  bar.style.background = `linear-gradient(to right, ${view.confidenceRamp.join(", ")})`;
  const ends = ["0 %", "50 %", "100 %"].map((text) => element("span", { text }));
  return element("div", { class: "sub" }, [bar, element("div", { class: "ramp-ends" }, ends)]);
}
