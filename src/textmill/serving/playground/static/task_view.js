// The model of a task predicts for an input.

import { get, post } from "/playground/api.js";
import { Action, form, results } from "/playground/controls.js";
import { el, problem } from "/playground/elements.js";
import { Inputs } from "/playground/inputs.js";
import { showPrediction } from "/playground/prediction.js";
import { filterNotice, provenance } from "/playground/provenance.js";

const VERBS = {
  classification: "Classify",
  multilabel: "Classify",
  tagging: "Highlight",
  translation: "Translate",
  question_answering: "Answer",
  generation: "Respond",
};

export async function taskView(name) {
  const task = (await get("/v1/tasks")).find((one) => one.name === name); // it may be loaded by now
  const inputs = new Inputs(task);
  const region = results("Prediction");
  const work = async (signal) => {
    const values = inputs.values;
    region.querySelectorAll(".notice.failed").forEach((notice) => notice.remove());
    region.replaceChildren(...answer(await predict(name, inputs.input, null, signal), values));
  };
  return el("div", { "data-is-incomplete": task.model === null },
    el("p", { class: "eyebrow" }, task.kind.replaceAll("_", " ")),
    el("h1", { tabindex: -1 }, name),
    el("p", { class: "lead" }, `The model ${task.does}.`),
    task.problem && problem(task.problem),
    form(new Action(VERBS[task.kind] ?? "Predict", region, work), inputs.fields),
    region);
}

// Return the response of a model to one input; `version` null is the current model.
export function predict(task, input, version, signal) {
  const request = { inputs: [input], details: true, ...version && { version } };
  return post(`/v1/tasks/${encodeURIComponent(task)}/predict`, request, signal);
}

// Return the elements that show a response.
export function answer(response, values) {
  const [prediction] = response.predictions;
  return [
    ...showPrediction(prediction, values),
    filterNotice(prediction.filtered),
    provenance(response.model),
  ].filter(Boolean);
}
