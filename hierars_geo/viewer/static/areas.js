// Areas of the classes in view: asked for when the map or what it shows changes, shown in the legend.

import { byId, fetchJson, notice } from "./dom.js";
import { levelName } from "./layers.js";

let running = null;

/** Measure what is shown; returns the answer, null where another question took its place. */
export async function measureAreas(map, view, state) {
  running?.abort();
  running = new AbortController();
  const bounds = map.getBounds();
  const query = new URLSearchParams({
    west: bounds.getWest(),
    south: bounds.getSouth(),
    east: bounds.getEast(),
    north: bounds.getNorth(),
  });
  const { main } = state;
  if (main === "depth") query.set("threshold", state.threshold);
  else if (main === "adaptive") query.set("adaptive", "");
  else query.set("level", state.level);
  if (state.only) query.set("only", state.only);
  const mixed = { adaptive: "adaptive map", depth: `adaptive depth, ${state.threshold} %` };
  const what = mixed[main] ?? levelName(view, state.level);
  try {
    const answer = await fetchJson(`/areas/${view.number}?${query}`, { signal: running.signal });
    byId("areas-note").textContent = summary(answer.areas, what);
    return answer;
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message);
    return null;
  }
}

function summary(areas, what) {
  if (!areas.length) return `${what}: nothing of it in view`;
  const sum = (some) => some.reduce((total, { area_m2 }) => total + area_m2, 0);
  const unsure = sum(areas.filter(({ level }) => level === 0));
  const parts = [`${what}: ${areaText(sum(areas) - unsure)} with a class`];
  if (unsure) parts.push(`${areaText(unsure)} not sure of any level`);
  const outside = areas.reduce((total, { outside_m2 = 0 }) => total + outside_m2, 0);
  if (outside) parts.push(`${((100 * outside) / sum(areas)).toFixed(1)} % unlike the training ground (hatched)`);
  return parts.join(", ");
}

/** Square metres as people read them. */
export function areaText(m2) {
  const [value, unit] = m2 >= 1e8 ? [m2 / 1e6, "km²"] : m2 >= 1e4 ? [m2 / 1e4, "ha"] : [m2, "m²"];
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })} ${unit}`;
}
