// The settings of generation.

import { field, textarea } from "/playground/controls.js";
import { el } from "/playground/elements.js";

// Name in the API, label, limits and hint of each number.
const NUMBERS = [
  ["max_tokens", "Maximum tokens", { min: 1, step: 1 }],
  ["temperature", "Temperature", { min: 0, max: 100, step: "any" }, "0: always the likeliest token"],
  ["top_k", "Top k", { min: 1, step: 1 }, "Empty: all tokens"],
  ["top_p", "Top p", { min: 0, max: 1, step: "any" }],
  ["min_p", "Min p", { min: 0, max: 1, step: "any" }],
  ["repetition_penalty", "Repetition penalty", { min: 0, max: 100, step: "any" }],
  ["seed", "Seed", { min: 0, step: 1 }, "Empty: another one each time"],
  ["n", "Texts", { min: 1, max: 8, step: 1 }],
];

const MAY_BE_EMPTY = ["top_k", "seed"];
const MAX_SEED = 2 ** 31;

// The fields for sampling, filled with the defaults of the server.
export class Sampling {
  constructor(overview, maxTokens, without = []) {
    const defaults = { ...overview.sampling, max_tokens: maxTokens, n: 1 };
    const numbers = NUMBERS.filter(([name]) => !without.includes(name));
    this.controls = new Map(numbers.map(([name, , limits]) => {
      const most = name === "max_tokens" ? { max: overview.most_new_tokens } : {};
      const value = defaults[name] ?? "";
      return [name, el("input", { type: "number", inputmode: "decimal", value, required: !MAY_BE_EMPTY.includes(name), ...limits, ...most })];
    }));
    this.stop = textarea("", 2);
    this.element = el("details", { class: "sampling" },
      el("summary", {}, "Settings"),
      el("div", { class: "grid" }, numbers.map(([name, label, , hint]) => field(label, this.controls.get(name), hint))),
      field("Stop at", this.stop, "Strings that end the text, one on each line."));
  }

  // The settings in the form of the API: those that were changed. Others are left to the server,
  // as there are models that sample nothing; but for the seed.
  get values() {
    const given = [...this.controls].filter(([, { value, defaultValue }]) => value !== defaultValue);
    const values = { seed: Math.floor(Math.random() * MAX_SEED) };
    for (const [name, control] of given) values[name] = control.value === "" ? null : Number(control.value);
    const stop = this.stop.value.split("\n").filter((line) => line !== "");
    return stop.length ? { ...values, stop } : values;
  }
}
