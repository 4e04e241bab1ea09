// The legend is the class tree: a click on a class shows only it, its parents and its children.

import { byId, element, swatch } from "./dom.js";

export function buildLegend(store, view) {
  const box = byId("legend");
  const entries = [];
  const list = (nodes, parents) =>
    element("ul", {}, nodes.map((node) => item(node, parents)));
  const item = (node, parents) => {
    const key = `${node.level}.${node.index}`;
    const label = [swatch(node.color), element("span", { text: node.name })];
    const pressed = () => store.set({ only: store.state.only === key ? "" : key });
    const button = element("button", { type: "button", "aria-pressed": "false", onclick: pressed }, label);
    const line = element("li", {}, [button]);
    entries.push({ key, button, line, chain: [...parents, key] });
    if (node.children.length) line.append(list(node.children, [...parents, key]));
    return line;
  };
  box.replaceChildren(list(view.tree, []));
  if ("depth" in view.layers) {
    const text = element("span", { text: "not sure of any level (adaptive depth)" });
    box.append(element("div", { class: "soft soft-key" }, [swatch(view.unsureColor), text]));
  }
  const update = ({ only }) => {
    const chosen = entries.filter(({ key }) => key === only);
    for (const { key, button, line, chain } of entries) {
      const related = chosen.some((other) => other.chain.includes(key) || chain.includes(other.key));
      button.setAttribute("aria-pressed", String(key === only));
      line.classList.toggle("unrelated", chosen.length > 0 && !related);
    }
    byId("clear").hidden = !only;
  };
  update(store.state);
  return update;
}
