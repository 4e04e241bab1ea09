// The legend is the class tree, with the area of each class in view; a click on a class shows only it, its
// parents and its children. Sets of siblings stand below them where the map shows any.

import { areaText } from "./areas.js";
import { byId, element, swatch } from "./dom.js";

export function buildLegend(store, view) {
  const box = byId("legend");
  const entries = [];
  const places = []; // where siblings stand, and so the sets of some of them
  const list = (nodes, parents) => {
    const lines = element("ul", {}, nodes.map((node) => item(node, parents)));
    places.push({ nodes, lines });
    return lines;
  };
  const item = (node, parents) => {
    const key = `${node.level}.${node.index}`;
    const color = swatch(node.color);
    const figure = element("span", { class: "figure", id: `area-${key}` });
    const bar = element("span", { class: "bar", "aria-hidden": "true" });
    const pressed = () => store.set({ only: store.state.only === key ? "" : key });
    const names = { "aria-label": node.name, "aria-describedby": figure.id };
    const button = element("button", { type: "button", "aria-pressed": "false", onclick: pressed, ...names }, [
      color,
      element("span", { text: node.name }),
      figure,
      bar,
    ]);
    const line = element("li", {}, [button]);
    entries.push({ key, node, button, line, color, figure, bar, chain: [...parents, key] });
    if (node.children.length) line.append(list(node.children, [...parents, key]));
    return line;
  };
  box.replaceChildren(list(view.tree, []));
  const unsure = { figure: element("span", { class: "figure" }) };
  const mixes = (name) => name === "adaptive" || name === "depth";
  if (Object.keys(view.layers).some(mixes)) {
    const text = element("span", { text: "not sure of any level" });
    unsure.line = element("div", { class: "soft soft-key" }, [swatch(view.unsureColor), text, unsure.figure]);
    box.append(unsure.line, element("p", { class: "soft", id: "pale-note", text: "Paler: known no finer than that." }));
  }
  const keys = entries.flatMap(({ node }) => Object.entries(node.indices).map((pair) => pair.join(".")));
  const isTree = new Set(keys).size === keys.length;

  const show = ({ only, main }) => {
    const chosen = entries.filter(({ key }) => key === only);
    for (const { key, node, button, line, color, chain } of entries) {
      const related = chosen.some((other) => other.chain.includes(key) || chain.includes(other.key));
      button.setAttribute("aria-pressed", String(key === only));
      line.classList.toggle("unrelated", chosen.length > 0 && !related);
      color.style.background = mixes(main) ? paleColors(view, node) : node.color;
    }
    byId("clear").hidden = !only;
    if (unsure.line) unsure.line.hidden = byId("pale-note").hidden = !mixes(main);
  };

  /** Write areas beside the classes; of a parent the sum of what is in it. */
  const measure = (areas) => {
    const alone = areas.filter(({ members }) => !members);
    const known = Object.fromEntries(alone.map(({ level, index, area_m2 }) => [`${level}.${index}`, area_m2]));
    const total = areas.reduce((sum, { area_m2 }) => sum + area_m2, 0);
    const sets = placeSets(places, areas.filter(({ members }) => members), total);
    const areaOf = (node) => {
      const own = Object.entries(node.indices).reduce((sum, pair) => sum + (known[pair.join(".")] ?? 0), 0);
      if (!isTree) return own;
      const within = own + (sets.get(node.children) ?? 0);
      return node.children.reduce((sum, child) => sum + areaOf(child), within);
    };
    for (const { node, figure, bar } of entries) write(figure, bar, areaOf(node), total);
    write(unsure.figure, null, known["0.0"] ?? 0, total);
  };
  show(store.state);
  return { show, measure };
}

/** List sets of siblings below their members; returns the area of those among some siblings. */
function placeSets(places, sets, total) {
  const sums = new Map();
  for (const { lines } of places) for (const line of lines.querySelectorAll(":scope > .set")) line.remove();
  for (const { level, members, name, color, area_m2 } of sets) {
    const among = ({ nodes }) => members.every((member) => nodes.some(({ indices }) => indices[level] === member));
    const place = places.find(among);
    if (!place) continue; // of a level without a map of its own
    const figure = element("span", { class: "figure" });
    place.lines.append(element("li", { class: "set" }, [swatch(color), element("span", { text: name }), figure]));
    write(figure, null, area_m2, total);
    sums.set(place.nodes, (sums.get(place.nodes) ?? 0) + area_m2);
  }
  return sums;
}

function write(figure, bar, area_m2, total) {
  figure.textContent = area_m2 ? `${areaText(area_m2)} · ${((100 * area_m2) / total).toFixed(1)} %` : "";
  if (bar) bar.style.width = `${area_m2 ? Math.max(1, (100 * area_m2) / total) : 0}%`;
}

/** Colours of an entry where levels are mixed, coarse to fine: paler where the class is known no finer. */
function paleColors(view, node) {
  const colors = Object.entries(node.indices).map(
    ([level, index]) => view.levels.find((entry) => entry.level === Number(level)).classes[index].pale,
  );
  const step = 100 / colors.length;
  const stops = colors.map((color, place) => `${color} ${place * step}% ${(place + 1) * step}%`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
