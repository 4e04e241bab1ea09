// Keys that work anywhere on the page, but in fields that take text.

import { byId, element } from "./dom.js";

export function buildKeyboard(actions) {
  const list = byId("keys");
  for (const { key, shown, text } of actions) {
    list.append(element("dt", { text: shown ?? key }), element("dd", { text }));
  }
  for (const [shown, text] of [
    ["arrows, + −", "move and zoom, when the map has the focus"],
    ["Tab, Enter", "go through the controls; on the legend, show one class"],
  ]) {
    list.append(element("dt", { text: shown }), element("dd", { text }));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("select, dialog[open]")) return;
    const action = actions.find(({ key }) => key.split(" ").includes(event.key));
    if (!action) return;
    event.preventDefault();
    action.run(event.key);
  });
  byId("help-open").addEventListener("click", () => byId("help").showModal());
}
