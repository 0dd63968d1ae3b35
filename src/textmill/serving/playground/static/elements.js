// Elements of the page. Texts become text nodes, never HTML.

// Return an element. Attributes that begin with "on" are event listeners; those that are null or
// false are left out, and so are such children.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    const isAria = name.startsWith("aria-"); // whose values are words, also true and false
    if (value == null || (value === false && !isAria)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true && !isAria ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

let ids = 0;

// Return an id that no other element has.
export function newId(name) {
  ids += 1;
  return `${name}-${ids}`;
}

// Return a list of names and values.
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value != null && value !== "");
  return el("dl", { class: "facts" }, shown.map(([name, value]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

// Return a notice that screen readers read at once.
export function problem(message) {
  return el("div", { class: "notice failed", role: "alert" }, message);
}

// Return "text_pair" as "Text pair".
export function sentence(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
