// Two versions of the model of a task, side by side on the same input.

import { get } from "/playground/api.js";
import { Action, field, form, results, select } from "/playground/controls.js";
import { el, problem } from "/playground/elements.js";
import { Inputs } from "/playground/inputs.js";
import { answer, predict } from "/playground/task_view.js";

export function compareView({ tasks }) {
  const place = el("div");
  const choose = async () => {
    const task = tasks.find(({ name }) => name === chosen.value);
    const isChosen = () => chosen.value === task.name; // or another was chosen since
    try {
      const versions = await get(`/v1/tasks/${encodeURIComponent(task.name)}/versions`);
      if (isChosen()) place.replaceChildren(...comparison(task, versions));
    } catch (error) {
      if (isChosen()) place.replaceChildren(problem(error.message));
    }
  };
  const chosen = select(tasks.map(({ name }) => [name, name]), null, choose);
  if (tasks.length) choose();
  return el("div", {},
    el("p", { class: "eyebrow" }, "registered versions"),
    el("h1", { tabindex: -1 }, "Compare"),
    el("p", { class: "lead" }, "Two versions of a model answer the same input. The champion goes on serving."),
    tasks.length ? field("Task", chosen) : el("p", { class: "notice" }, "This server has no tasks."),
    place);
}

function comparison(task, versions) {
  if (versions.length < 2) {
    const n = versions.length === 1 ? "only one registered version" : "no registered version yet";
    return [el("p", { class: "notice" }, `The model of ${task.name} has ${n}: textmill run registers those that it trains.`), table(versions)];
  }
  const champion = versions.find(({ aliases }) => aliases.includes("champion")) ?? versions[1];
  const other = versions.find((one) => one !== champion);
  const options = versions.map((one) => [one.version, described(one)]);
  const left = select(options, champion.version);
  const right = select(options, other.version);
  const inputs = new Inputs(task);
  const region = results("Answers");
  const work = async (signal) => {
    const values = inputs.values;
    const asked = [left.value, right.value];
    const answers = await Promise.allSettled(asked.map((version) => predict(task.name, inputs.input, version, signal)));
    signal.throwIfAborted();
    const columns = answers.map(({ value, reason }, side) => el("article", { class: "card" },
      el("h2", {}, `Version ${asked[side]}`), value ? answer(value, values) : problem(reason.message)));
    region.replaceChildren(verdict(answers), el("div", { class: "columns" }, columns));
  };
  return [
    table(versions),
    form(new Action("Compare", region, work),
      el("div", { class: "columns" }, field("Left", left), field("Right", right)), inputs.fields),
    region,
  ];
}

function described({ version, aliases }) {
  return aliases.length ? `${version} (${aliases.join(", ")})` : version;
}

// Whether the answers are the same, apart from their scores.
function verdict(answers) {
  if (answers.some(({ value }) => !value)) return "";
  const [left, right] = answers.map(({ value }) => JSON.stringify(value.predictions, (name, part) =>
    (name === "score" || name === "probabilities" ? undefined : part)));
  return el("p", {}, el("strong", {}, left === right ? "Both give the same answer." : "The answers differ."));
}

function table(versions) {
  if (!versions.length) return "";
  const rows = versions.map((one) => el("tr", {},
    el("th", { scope: "row" }, described(one)),
    el("td", { class: "n" }, one.score === null ? "" : one.score.toFixed(3)),
    el("td", {}, new Date(one.created).toLocaleString()),
    el("td", {}, one.decision ?? "")));
  const heads = ["Version", versions[0].metric, "Registered", "Decision"];
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Versions" },
    el("table", {},
      el("thead", {}, el("tr", {}, heads.map((name, at) => el("th", { scope: "col", class: at === 1 && "n" }, name)))),
      el("tbody", {}, rows)));
}
