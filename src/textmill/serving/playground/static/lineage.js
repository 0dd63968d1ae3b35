// The steps that a model comes from, back to the files that were read.

import { get } from "/playground/api.js";
import { el, facts, problem } from "/playground/elements.js";

const DIGEST_CHARACTERS = 12;

// Return the lineage of a run as a tree, or what went wrong.
export async function lineageOf(run) {
  try {
    return draw(await get(`/v1/lineage/${run}`));
  } catch (error) {
    return problem(error.message);
  }
}

function draw({ roots, nodes }) {
  const shown = new Set();
  const branch = (role, id) => {
    const node = nodes[id];
    const isRepeated = shown.has(id);
    shown.add(id);
    const before = role && role !== node.label && el("span", { class: "soft" }, `${role}: `);
    if (isRepeated) return el("li", {}, before, el("span", { class: "node" }, node.label), " (above)");
    return el("li", {}, before,
      el("span", { class: "node" }, node.label), " ",
      el("code", { class: "soft" }, node.digest.slice(0, DIGEST_CHARACTERS)),
      kept(node.filtered),
      node.sources.map(source),
      settings(node),
      el("ul", {}, Object.entries(node.inputs).map(([name, input]) => branch(name, input))));
  };
  const tree = el("div", { class: "lineage" }, el("ul", {}, roots.map((id) => branch("", id))));
  const first = nodes[roots[0]];
  return el("div", {}, tree, facts([
    ["commit", first.commit], ["machine", first.machine], ["Prefect run", first.prefect_flow_run],
  ]));
}

function source({ name, place, digest }) {
  return el("div", { class: "source" }, `${name}: ${place} `,
    el("code", { class: "soft" }, digest.slice(0, DIGEST_CHARACTERS)));
}

function kept({ documents_kept: kept, documents_read: read }) {
  return read !== undefined && el("div", { class: "source" }, `kept ${kept} of ${read} documents`);
}

function settings(node) {
  const lines = Object.entries({ run: node.run_id, ...node.settings }).map(([name, value]) => `${name}: ${value}`);
  const packages = Object.entries(node.packages).map(([name, version]) => `${name} ${version}`);
  return el("details", { class: "settings" }, el("summary", {}, "settings and packages"),
    el("pre", { tabindex: 0 }, [...lines, packages.join(", ")].join("\n")));
}
