// Spans of a text, highlighted by colour and label.

import { el } from "/playground/elements.js";

const N_COLOURS = 6;
const colours = new Map();

// Return a text with its spans highlighted. Offsets are those of Python: they count characters,
// of which JavaScript counts some as two.
export function highlight(text, spans) {
  const characters = Array.from(text);
  const parts = [];
  let at = 0;
  for (const { start, end, label } of [...spans].sort((a, b) => a.start - b.start)) {
    if (start < at || end <= start) continue; // inside of the one before
    parts.push(characters.slice(at, start).join(""));
    parts.push(el("mark", { class: `colour-${colourOf(label)}` },
      characters.slice(start, end).join(""), el("small", {}, label)));
    at = end;
  }
  parts.push(characters.slice(at).join(""));
  return el("p", { class: "text", dir: "auto" }, parts);
}

// Return a part of a text, by offsets of Python.
export function slice(text, start, end) {
  return Array.from(text).slice(start, end).join("");
}

// A label has the same colour wherever it occurs.
function colourOf(label) {
  if (!colours.has(label)) colours.set(label, colours.size % N_COLOURS);
  return colours.get(label);
}
