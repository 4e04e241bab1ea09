// What the map says at one place: the whole path with its confidences.

import { element, fetchJson, notice, swatch } from "./dom.js";
import { levelName } from "./layers.js";
import { popup } from "./map.js";

let open = null;

export function closePixel() {
  open?.remove();
  open = null;
}

export async function askPixel(map, view, { lng, lat }) {
  try {
    const { path } = await fetchJson(`/query/${view.number}?lon=${lng}&lat=${lat}`);
    closePixel();
    open = popup({ maxWidth: "300px", focusAfterOpen: false })
      .setLngLat([lng, lat])
      .setDOMContent(content(view, path, lng, lat))
      .addTo(map);
  } catch (error) {
    notice(error.message);
  }
}

function content(view, path, lng, lat) {
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
  return element("div", { class: "pixel", role: "status" }, [element("table", {}, rows), place]);
}
