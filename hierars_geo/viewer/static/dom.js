// Elements by name, without HTML in strings: class names are text, whatever they hold.

export function element(tag, attributes = {}, children = []) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name === "color") made.style.backgroundColor = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

export function swatch(color) {
  return element("span", { class: "swatch", "aria-hidden": "true", color });
}

/** Fetch JSON; an answer that is an error becomes one with the server's own line. */
export async function fetchJson(address, options) {
  const answer = await fetch(address, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

export function notice(text) {
  const line = byId("notice");
  line.textContent = text ?? "";
  line.hidden = !text;
}
