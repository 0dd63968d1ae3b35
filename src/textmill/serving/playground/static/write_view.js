// The backbone completes a prompt.

import { Action, field, form, results, textarea } from "/playground/controls.js";
import { el } from "/playground/elements.js";
import { Sampling } from "/playground/sampling.js";
import { writeTexts } from "/playground/written.js";

export function writeView({ overview }) {
  const prompt = textarea(overview.prompt, 4, { required: true });
  const sampling = new Sampling(overview, overview.max_new_tokens);
  const region = results("Text");

  const work = async (signal) => {
    const request = { prompt: prompt.value, ...sampling.values };
    const texts = Array.from({ length: request.n ?? 1 }, () =>
      el("p", { class: "text written", dir: "auto" }, el("span", { class: "soft" }, request.prompt)));
    const endings = el("div");
    region.replaceChildren(...texts, endings);
    try {
      endings.append(...await writeTexts("/v1/completions", request, signal, (index, text) => texts[index].append(text)));
    } catch (error) {
      endings.append(...error.below ?? []);
      throw error;
    }
  };

  return el("div", {},
    el("p", { class: "eyebrow" }, "the backbone"),
    el("h1", { tabindex: -1 }, "Write"),
    el("p", { class: "lead" }, "The language model continues your text, as it has learnt from the corpus."),
    form(new Action("Write", region, work), field("Beginning of the text", prompt), sampling.element),
    region);
}
