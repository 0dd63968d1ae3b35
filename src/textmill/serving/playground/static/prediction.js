// A prediction, shown by the form of its fields, so that kinds of extensions are shown as well.

import { bars, percent } from "/playground/bars.js";
import { el, facts, sentence } from "/playground/elements.js";
import { highlight, slice } from "/playground/highlight.js";

// Return the elements that show a prediction. `input` has the texts by column.
export function showPrediction(prediction, input) {
  const left = { ...prediction };
  const take = (...names) => names.forEach((name) => delete left[name]);
  const shown = [scores(left, take), answer(left, take, input)];
  const plain = [];
  const isCut = left.is_cut;
  take("is_cut", "filtered");
  for (const [name, value] of Object.entries(left)) {
    if (isSpans(value)) shown.push(spans(value, input));
    else if (typeof value === "string") shown.push(block(name, value));
    else if (value === null) shown.push(el("p", {}, `No ${sentence(name).toLowerCase()}.`)); // blocked
    else plain.push([sentence(name), words(name, value)]);
  }
  if (plain.length) shown.push(facts(plain));
  if (isCut) shown.push(el("p", { class: "notice" }, "The text is longer than the context of the model: only a part of it was read, or the answer was truncated."));
  return shown.flat().filter(Boolean);
}

// Labels and their probabilities; labels that are strings have none.
function scores(left, take) {
  const { label, score, labels, probabilities } = left;
  const isList = Array.isArray(labels) && labels.every((one) => typeof (one?.label ?? one) === "string");
  if (typeof label !== "string" && !isList) return null;
  const found = isList ? labels.map((one) => (typeof one === "string" ? { label: one } : one)) : [{ label, score }];
  const chosen = found.map((one) => one.label);
  const scored = found.filter((one) => typeof one.score === "number");
  const known = probabilities ?? Object.fromEntries(scored.map((one) => [one.label, one.score]));
  take("label", "score", "labels", "probabilities");
  const none = chosen.length === 0 && el("p", {}, "No label applies.");
  const plain = chosen.filter((name) => !Object.hasOwn(known, name));
  return [none, plain.length > 0 && el("p", {}, el("strong", {}, plain.join(", "))), bars(known, chosen)].flat();
}

// A string that is a part of one of the texts.
function answer(left, take, input) {
  const { start, end, score } = left;
  if (!Number.isInteger(start) || !Number.isInteger(end)) return null;
  const name = Object.keys(left).find((key) => typeof left[key] === "string");
  const longest = Object.values(input).sort((a, b) => b.length - a.length);
  const found = longest.find((text) => slice(text, start, end) === left[name]);
  if (name === undefined || found === undefined) return null;
  const text = left[name];
  take(name, "start", "end", "score");
  const sure = typeof score === "number" ? ` (${percent(score)} sure)` : "";
  return text
    ? [el("p", {}, `${sentence(name)}: `, el("strong", {}, text), sure), highlight(found, [{ start, end, label: name }])]
    : [el("p", {}, el("strong", {}, `No ${name} in the text`), sure)];
}

function isSpans(value) {
  return Array.isArray(value) && value.every((one) => Number.isInteger(one?.start) && Number.isInteger(one?.end));
}

// Entities or roles, in the text that they were found in.
function spans(found, input) {
  const isFrom = (text) => found.every((one) => one.text === undefined || slice(text, one.start, one.end) === one.text);
  const text = Object.values(input).find(isFrom) ?? Object.values(input)[0];
  const labelled = found.map((one) => ({ ...one, label: one.type ?? one.label ?? "" }));
  return [found.length === 0 && el("p", {}, "Nothing was found in this text."), highlight(text, labelled)];
}

function block(name, text) {
  return el("div", { class: "block" },
    el("h3", {}, sentence(name)), el("p", { class: "text", dir: "auto" }, text || "(empty)"));
}

function words(name, value) {
  if (name === "score" && typeof value === "number") return percent(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
