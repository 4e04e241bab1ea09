// What the page shows, in one object; whoever changes it tells which part changed.

export class Store {
  #listeners = [];

  constructor(state) {
    this.state = state;
  }

  /** Call a function after every change of one of these keys. */
  on(keys, listener) {
    this.#listeners.push({ keys, listener });
  }

  /** Change some keys and tell who listens to them. */
  set(changes) {
    const changed = Object.keys(changes).filter((key) => changes[key] !== this.state[key]);
    Object.assign(this.state, changes);
    for (const { keys, listener } of this.#listeners) {
      if (keys.some((key) => changed.includes(key))) listener(this.state);
    }
  }
}

/** Opacities with one map fully shown and the others hidden; the image underneath stays as it is. */
export function only(opacity, name) {
  const next = {};
  for (const key of Object.keys(opacity)) next[key] = key === name ? 100 : 0;
  if ("image" in opacity && name !== "image") next.image = opacity.image;
  return next;
}

export function debounce(action, wait_ms) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), wait_ms);
  };
}
