// What the maps say at one place: the whole path with its confidences, what the adaptive map
// makes of it, and whether it is like the training ground; both answers where two are compared.

import { byId, element, fetchJson, notice, swatch } from "./dom.js";
import { levelName } from "./layers.js";
import { popup } from "./map.js";

let open = null;

export function closePixel() {
  open?.remove();
  open = null;
  byId("answer").hidden = true;
}

/** Ask for a place; returns the versions of the files that answered. */
export async function askPixel(map, views, { lng, lat }) {
  try {
    const asked = views.map((view) => fetchJson(`/query/${view.number}?lon=${lng}&lat=${lat}`));
    const answers = await Promise.all(asked);
    closePixel();
    const tables = answers.map((answer, place) => content(views[place], answer, lng, lat));
    if (tables.length === 1) {
      open = popup({ maxWidth: "340px", focusAfterOpen: false })
        .setLngLat([lng, lat])
        .setDOMContent(tables[0])
        .addTo(map);
    } else {
      // the border between two maps would cut a popup of either
      const close = element("button", { type: "button", "aria-label": "Close", text: "×", onclick: closePixel });
      byId("answer").replaceChildren(close, ...tables);
      byId("answer").hidden = false;
    }
    return answers.map(({ version }) => version);
  } catch (error) {
    notice(error.message);
    return [];
  }
}

function content(view, { path, adaptive, outside }, lng, lat) {
  const place = element("p", { class: "soft", text: `${lat.toFixed(5)}, ${lng.toFixed(5)} (${view.title})` });
  if (!path.length) {
    return element("div", { class: "pixel" }, [element("p", { text: "No class here." }), place]);
  }
  const rows = path.map(({ level, index, confidence }) => {
    const entry = view.levels.find((other) => other.level === level).classes[index];
    return element("tr", {}, [
      element("th", { scope: "row", text: levelName(view, level) }),
      element("td", {}, [swatch(entry.color), entry.name]),
      element("td", { text: confidence === null ? "" : `${confidence} %` }),
    ]);
  });
  if (adaptive) {
    const said = element("td", { colspan: "2" }, [swatch(adaptive.color), adaptive.name]);
    rows.push(element("tr", { class: "adaptive" }, [element("th", { scope: "row", text: "Adaptive map" }), said]));
  }
  const doubt = outside ? [element("p", { text: "Unlike the training ground: do not trust the map here." })] : [];
  return element("div", { class: "pixel", role: "status" }, [element("table", {}, rows), ...doubt, place]);
}
