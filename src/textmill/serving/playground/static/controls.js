// Labelled fields, and buttons that are busy while they work and can be stopped.

import { el, newId, problem } from "/playground/elements.js";

// Return a control with its label and, below it, a hint.
export function field(label, control, hint) {
  control.id = newId("field");
  const id = hint && newId("hint");
  if (hint) control.setAttribute("aria-describedby", id);
  return el("div", { class: "field" },
    el("label", { for: control.id }, label), control, hint && el("p", { class: "hint", id }, hint));
}

// Return a field for a text of several lines; Ctrl+Enter submits its form.
export function textarea(value, rows, attributes = {}) {
  const submit = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) control.form.requestSubmit();
  };
  const control = el("textarea", { rows, dir: "auto", onkeydown: submit, ...attributes });
  control.value = value;
  return control;
}

// Return a choice; options are pairs of value and label.
export function select(options, chosen, onchange) {
  const control = el("select", { onchange }, options.map(([value, label]) => el("option", { value }, label)));
  if (chosen != null) control.value = chosen;
  return control;
}

// A button that does some work, one beside it that stops the work, and what became of it.
export class Action {
  // `work` gets an AbortSignal; what it rejects with is shown in `region`, where results appear.
  constructor(label, region, work) {
    this.region = region;
    this.work = work;
    this.controller = null;
    this.button = el("button", { class: "primary", type: "submit" }, label);
    this.stop = el("button", { type: "button", disabled: true, onclick: () => this.controller.abort() }, "Stop");
    this.status = el("span", { class: "status", role: "status" });
    this.bar = el("div", { class: "actions" }, this.button, this.stop, this.status);
  }

  async start() {
    if (this.controller !== null) return;
    const began = performance.now();
    this.controller = new AbortController();
    this.show(true, "Working …");
    try {
      await this.work(this.controller.signal);
      this.show(false, `Done in ${((performance.now() - began) / 1000).toFixed(1)} s.`);
    } catch (error) {
      const isStopped = error.name === "AbortError";
      if (!isStopped) this.region.append(problem(error.message));
      this.show(false, isStopped ? "Stopped." : "");
    } finally {
      this.controller = null;
    }
  }

  show(isBusy, words) {
    // Not `disabled`, which would take the focus from it.
    this.button.setAttribute("aria-disabled", isBusy);
    if (!isBusy && document.activeElement === this.stop) this.button.focus();
    this.stop.disabled = !isBusy;
    this.region.setAttribute("aria-busy", isBusy);
    this.status.textContent = words;
  }
}

// Return a region for results, which screen readers read when they are complete.
export function results(label, ...children) {
  return el("section", { class: "results", "aria-label": label, "aria-live": "polite" }, ...children);
}

// Return a form that starts an action when it is submitted.
export function form(action, ...children) {
  const submit = (event) => {
    event.preventDefault();
    action.start();
  };
  const made = el("form", { onsubmit: submit }, ...children, action.bar);
  // A browser cannot show which field of closed details is invalid.
  made.addEventListener("invalid", (event) => {
    const around = event.target.closest("details");
    if (around) around.open = true;
  }, true);
  return made;
}
