// The fields for an input of a task, one for each column.

import { field, textarea } from "/playground/controls.js";
import { el, newId, sentence } from "/playground/elements.js";

const LABELS = { text: "Text", text_pair: "Second text", context: "Passage" };
const SHORT = ["question", "predicate"];

// The fields of a task, filled with its example.
export class Inputs {
  constructor(task) {
    this.columns = task.columns;
    this.controls = new Map(task.columns.map((name) => [name, control(name, task.example[name] ?? "")]));
    this.fields = task.columns.map((name) => this.field(name));
  }

  field(name) {
    const made = this.controls.get(name);
    if (name !== "predicate" || !this.controls.has("text")) return field(LABELS[name] ?? sentence(name), made);
    const words = el("datalist", { id: newId("words") });
    made.setAttribute("list", words.id);
    made.addEventListener("focus", () => {
      const found = this.controls.get("text").value.match(/[\p{L}\p{N}]+/gu) ?? [];
      words.replaceChildren(...[...new Set(found)].map((value) => el("option", { value })));
    });
    return el("div", {}, field("Predicate", made, "The word of the text whose roles are looked for."), words);
  }

  // The texts by column.
  get values() {
    return Object.fromEntries([...this.controls].map(([name, { value }]) => [name, value]));
  }

  // The input in the form of the API: the text itself if there is one column.
  get input() {
    return this.columns.length === 1 ? this.values[this.columns[0]] : this.values;
  }
}

function control(name, value) {
  if (!SHORT.includes(name)) return textarea(value, name === "context" ? 7 : 4, { required: true });
  const made = el("input", { type: "text", required: true, autocomplete: "off", dir: "auto" });
  made.value = value;
  return made;
}
