// A chat with a model.

import { get } from "/playground/api.js";
import { Action, field, form, results, select, textarea } from "/playground/controls.js";
import { el } from "/playground/elements.js";
import { Sampling } from "/playground/sampling.js";
import { writeTexts } from "/playground/written.js";

const BACKBONE = "backbone";

export async function chatView({ overview }) {
  const models = (await get("/v1/models")).data.map(({ id }) => id).reverse(); // tasks first
  let messages = []; // in the form of the API; a new chat has others
  const log = el("div", { class: "messages" });
  const region = results("Chat", log);
  const said = textarea("", 3, { required: true, placeholder: "Your message" });
  said.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!event.ctrlKey && !event.metaKey) said.form.requestSubmit();
  });
  const sampling = new Sampling(overview, overview.most_new_tokens, ["n"]);
  const model = select(models.map((name) => [name, name === BACKBONE ? "backbone" : name]), models[0]);

  const work = async (signal) => {
    region.querySelectorAll(".notice.failed").forEach((notice) => notice.remove());
    const content = said.value;
    const chat = messages;
    const asked = message("user", content);
    const answered = message("assistant", "");
    log.append(asked, answered);
    said.value = "";
    const request = { model: model.value, messages: [...chat, { role: "user", content }], ...sampling.values };
    let text = "";
    const finish = (below) => {
      answered.append(...below);
      if (text.trim()) chat.push({ role: "user", content }, { role: "assistant", content: text });
      else answered.append(el("p", { class: "soft" }, "The answer is empty. The model will not see these two messages."));
    };
    try {
      finish(await writeTexts("/v1/chat/completions", request, signal, (index, piece) => {
        text += piece;
        answered.querySelector(".text").append(piece);
        answered.scrollIntoView({ block: "nearest" });
      }));
    } catch (error) {
      if (text) finish(error.below);
      else if (chat === messages) {
        asked.remove();
        answered.remove();
        said.value = content; // to change it, and try again
      }
      throw error;
    }
  };
  const action = new Action("Send", region, work);
  const restart = el("button", { type: "button", onclick: () => {
    if (action.controller !== null) action.controller.abort();
    messages = [];
    log.replaceChildren();
    region.replaceChildren(log);
    said.focus();
  } }, "New chat");
  action.stop.after(restart);

  return el("div", {},
    el("p", { class: "eyebrow" }, "messages"),
    el("h1", { tabindex: -1 }, "Chat"),
    models.length === 1 && el("p", { class: "notice" }, "No task of this server writes responses, so that the backbone answers; it needs a chat template."),
    region,
    form(action, models.length > 1 && field("Model", model), field("Message", said, "Enter sends it, Shift+Enter begins a new line."), sampling.element));
}

function message(role, text) {
  const name = role === "user" ? "You" : "Model";
  return el("article", { class: `message ${role}` },
    el("h2", {}, name), el("p", { class: "text", dir: "auto" }, text));
}
