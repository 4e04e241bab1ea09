// Areas of the classes in view, as bars.

import { byId, element, fetchJson, notice } from "./dom.js";
import { levelName } from "./layers.js";

const SVG = "http://www.w3.org/2000/svg";
let running = null;

export async function updateAreas(map, view, state) {
  running?.abort();
  running = new AbortController();
  const bounds = map.getBounds();
  const query = new URLSearchParams({
    west: bounds.getWest(),
    south: bounds.getSouth(),
    east: bounds.getEast(),
    north: bounds.getNorth(),
  });
  const depth = state.main === "depth";
  if (depth) query.set("threshold", state.threshold);
  else query.set("level", state.level);
  if (state.only) query.set("only", state.only);
  try {
    const { areas } = await fetchJson(`/areas/${view.number}?${query}`, { signal: running.signal });
    draw(view, areas, depth ? `adaptive depth, ${state.threshold} %` : levelName(view, state.level));
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message);
  }
}

function draw(view, areas, what) {
  const total = areas.reduce((sum, { area_m2 }) => sum + area_m2, 0);
  byId("areas-note").textContent = areas.length
    ? `${what}: ${area(total)} with a class`
    : `${what}: nothing of it in view`;
  const rows = areas.map(({ level, index, area_m2 }) => {
    const { name, color } = entry(view, level, index);
    const share = area_m2 / total;
    const words = [
      element("span", { text: name }),
      element("span", { text: `${area(area_m2)} · ${(100 * share).toFixed(1)} %` }),
    ];
    return element("li", {}, [element("div", { class: "row" }, words), bar(area_m2 / areas[0].area_m2, color)]);
  });
  byId("areas").replaceChildren(...rows);
}

function entry(view, level, index) {
  if (level === 0) return { name: "not sure of any level", color: view.unsureColor };
  return view.levels.find((other) => other.level === level).classes[index];
}

function bar(share, color) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", "0 0 100 9");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(SVG, "rect");
  const sizes = { x: 0.5, y: 0.5, height: 8, width: Math.max(0.5, 99 * share), fill: color };
  for (const [name, value] of Object.entries(sizes)) rect.setAttribute(name, value);
  picture.append(rect);
  return picture;
}

/** Square metres as people read them. */
function area(m2) {
  const [value, unit] = m2 >= 1e8 ? [m2 / 1e6, "km²"] : m2 >= 1e4 ? [m2 / 1e4, "ha"] : [m2, "m²"];
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit}`;
}
