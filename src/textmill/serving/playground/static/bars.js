// Labels with their scores as bars, the highest first.

import { el } from "/playground/elements.js";

const MAX_SHOWN = 8;

// Return a list of bars. `scores` maps labels to scores from 0 to 1; `chosen` are the predicted ones.
export function bars(scores, chosen) {
  const rows = Object.entries(scores).sort(([, a], [, b]) => b - a)
    .map(([label, score]) => bar(label, score, chosen.includes(label)));
  const more = rows.slice(MAX_SHOWN);
  return [
    el("ul", { class: "bars" }, rows.slice(0, MAX_SHOWN)),
    more.length > 0 && el("details", {},
      el("summary", {}, `${more.length} more labels`), el("ul", { class: "bars" }, more)),
  ];
}

function bar(label, score, isChosen) {
  const fill = el("span", { class: "fill" });
  fill.style.width = `${100 * score}%`;
  return el("li", { class: isChosen && "chosen" },
    el("span", { class: "name" }, label, isChosen && el("span", { class: "tag" }, "predicted")),
    el("span", { class: "value" }, percent(score)),
    el("span", { class: "track", "aria-hidden": true }, fill));
}

export function percent(score) {
  return `${(100 * score).toFixed(1)} %`;
}
