// The page: navigation between views, which keep what was entered.

import { get } from "/playground/api.js";
import { chatView } from "/playground/chat_view.js";
import { compareView } from "/playground/compare_view.js";
import { el, problem } from "/playground/elements.js";
import { runsView } from "/playground/runs_view.js";
import { taskView } from "/playground/task_view.js";
import { writeView } from "/playground/write_view.js";

const content = document.getElementById("content");
const views = new Map();
const state = {
  overview: null,
  tasks: [],
  refresh: () => { // after a run, which may have registered versions
    views.delete("compare");
    return loadTasks();
  },
};

async function loadTasks() {
  state.tasks = await get("/v1/tasks");
}

function places() {
  return [
    ["Generate", [["write", "Write", writeView], ["chat", "Chat", chatView]]],
    ["Tasks", state.tasks.map((task) => [`task/${encodeURIComponent(task.name)}`, task.name, () => taskView(task.name)])],
    ["Models", [["compare", "Compare", compareView], ["runs", "Runs", runsView]]],
  ];
}

function navigate() {
  const groups = places().filter(([, entries]) => entries.length);
  document.getElementById("navigation").replaceChildren(...groups.map(([name, entries]) =>
    el("div", { class: "group" },
      el("h2", {}, name),
      el("ul", {}, entries.map(([path, label]) => el("li", {}, el("a", { href: `#/${path}` }, label)))))));
}

const currentPath = () => location.hash.replace(/^#\/?/, "");

// Show the view that the address names.
async function show() {
  const path = currentPath();
  const entries = places().flatMap(([, entries]) => entries);
  const [found, label, build] = entries.find(([name]) => name === path) ?? entries[0];
  for (const link of document.querySelectorAll("#navigation a")) {
    if (link.hash === `#/${found}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${label} · textmill playground`;
  const isFirst = content.childElementCount === 0;
  try {
    const view = views.get(found) ?? await build(state);
    if (view.dataset.isIncomplete === undefined) views.set(found, view);
    if (path !== currentPath()) return; // another view was chosen while this one was made
    content.replaceChildren(view);
  } catch (error) {
    if (path !== currentPath()) return;
    content.replaceChildren(problem(error.message));
  }
  if (!isFirst) (content.querySelector("h1") ?? content).focus();
}

async function begin() {
  content.replaceChildren();
  try {
    [state.overview] = await Promise.all([get("/v1/playground"), loadTasks()]);
  } catch (error) {
    content.replaceChildren(problem(error.message));
    return;
  }
  document.getElementById("experiment").textContent = state.overview.experiment;
  navigate();
  addEventListener("hashchange", show);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names the view
    content.focus();
  });
  await show();
}

begin();
