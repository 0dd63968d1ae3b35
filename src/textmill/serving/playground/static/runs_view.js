// A run of the configuration that the server was started with. It goes on without the page.

import { get, post } from "/playground/api.js";
import { el, facts, problem } from "/playground/elements.js";
import { NoToken } from "/playground/token.js";

const POLL_MS = 1000;
const STATES = {
  none: ["No run was started here.", ""],
  running: ["Running", "busy"],
  finished: ["Finished", "right"],
  failed: ["Failed", "wrong"],
  stopped: ["Stopped. Start it again to resume.", "wrong"],
  lost: ["Ended while no server was watching. Start it again to resume.", "wrong"],
};

export function runsView({ overview, refresh }) {
  const state = el("p", { class: "state", role: "status" });
  const details = el("div", { class: "run-facts" });
  const output = el("pre", { class: "output", tabindex: 0, "aria-label": "Output of the run" });
  const problems = el("div"); // of starting and stopping
  const outages = el("div"); // of watching
  const start = el("button", { type: "button", class: "primary", onclick: () => change("/v1/runs") }, "Start run");
  const stop = el("button", { type: "button", onclick: () => change("/v1/runs/current/stop") }, "Stop run");
  let shownState = null;

  const show = (run) => {
    const [words, mark] = STATES[run.state];
    if (shownState !== run.state) { // or else it would be read again and again
      state.textContent = words;
      state.className = `state ${mark}`;
      if (shownState === "running") refresh(); // there may be a new champion
      shownState = run.state;
    }
    start.setAttribute("aria-disabled", run.state === "running" || overview.run_command === null);
    stop.setAttribute("aria-disabled", run.state !== "running");
    details.replaceChildren(facts([
      ["started", run.started && new Date(run.started).toLocaleString()],
      ["ended", run.ended && new Date(run.ended).toLocaleString()],
      ["exit status", run.exit_status],
    ]));
    const isAtEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
    output.textContent = run.lines.join("\n");
    if (isAtEnd) output.scrollTop = output.scrollHeight;
  };

  const change = async (path) => {
    const button = path === "/v1/runs" ? start : stop;
    if (button.getAttribute("aria-disabled") === "true") return;
    await attempt(problems, () => post(path, {}));
    poll();
  };
  const attempt = async (place, ask) => {
    try {
      show(await ask());
      place.replaceChildren();
      return null;
    } catch (error) {
      if (place.textContent !== error.message) place.replaceChildren(problem(error.message));
      return error;
    }
  };
  let timer = null;
  const poll = async () => {
    clearTimeout(timer);
    const isSeen = view.isConnected && !document.hidden;
    const failure = isSeen ? await attempt(outages, () => get("/v1/runs/current")) : null;
    clearTimeout(timer);
    if (failure instanceof NoToken) return; // or else each poll would open the dialog
    timer = setTimeout(poll, POLL_MS);
  };

  const view = el("div", {},
    el("p", { class: "eyebrow" }, "training"),
    el("h1", { tabindex: -1 }, "Runs"),
    el("p", { class: "lead" }, "Start the pipeline with the configuration that this server was started with. Finished steps are reused, and a better model replaces the champion while the server runs."),
    overview.run_command === null
      ? el("p", { class: "notice" }, "This server starts no runs.")
      : el("pre", { "aria-label": "Command" }, overview.run_command),
    el("div", { class: "actions" }, start, stop, state),
    problems, outages, details, output);
  queueMicrotask(poll);
  return view;
}
