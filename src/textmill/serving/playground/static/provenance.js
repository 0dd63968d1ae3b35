// Which model answered, its lineage, and what content filters did.

import { el, newId } from "/playground/elements.js";
import { lineageOf } from "/playground/lineage.js";

const DID = { block: "blocked", mask: "masked", flag: "flagged" };

// Return the line below an answer. A model has a name, a version or null, and a run.
export function provenance({ name, version, run }) {
  const place = el("div", { id: newId("lineage"), hidden: true, "aria-live": "off" });
  const toggle = async () => {
    place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", !place.hidden);
    if (place.childElementCount === 0) {
      place.append(el("p", { class: "soft", role: "status" }, "Loading …"));
      place.replaceChildren(await lineageOf(run));
    }
  };
  const button = el("button", {
    type: "button", class: "link", "aria-expanded": false, "aria-controls": place.id, onclick: toggle,
  }, "Lineage");
  return el("div", { class: "provenance" },
    el("p", {}, "Answered by ", el("strong", {}, name), version === null ? ", not registered, run " : `, version ${version}, run `,
      el("code", {}, run), " ", button),
    place);
}

// Return what content filters found, or null if they found nothing.
export function filterNotice(filtered) {
  if (!filtered?.length) return null;
  const found = new Map(); // the same finding is reported once, and counted
  for (const { category, action, side } of filtered) {
    const words = `${DID[action] ?? action}: ${category.replaceAll("_", " ")} in the ${side}`;
    found.set(words, (found.get(words) ?? 0) + 1);
  }
  return el("div", { class: "notice", role: "note" }, "Content filter",
    el("ul", {}, [...found].map(([words, n]) => el("li", {}, n > 1 ? `${words} (${n} places)` : words))));
}
