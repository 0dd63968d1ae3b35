// Texts that appear while a model writes them.

import { stream } from "/playground/api.js";
import { filterNotice, provenance } from "/playground/provenance.js";

const ENDED = {
  length: "The maximum number of tokens is reached.",
  content_filter: "A content filter has ended the text.",
};

// Stream texts from the server, call `write(index, text)` for each piece, and return the elements
// that belong below: what was filtered, and which model answered.
export async function writeTexts(path, request, signal, write) {
  const reasons = new Set();
  const filtered = []; // an event has what was found since the one before
  let last = null;
  try {
    for await (const event of stream(path, request, signal)) {
      last = event;
      filtered.push(...event.filtered);
      for (const choice of event.choices) {
        write(choice.index, choice.text ?? choice.delta.content ?? "");
        if (choice.finish_reason) reasons.add(choice.finish_reason);
      }
    }
  } catch (error) {
    error.below = below(last, filtered, reasons); // what is written so far was answered as well
    throw error;
  }
  return below(last, filtered, reasons);
}

function below(last, filtered, reasons) {
  if (last === null) return [];
  const model = { name: last.model, version: last.model_version, run: last.model_run };
  const notes = [...reasons].filter((reason) => reason in ENDED).map((reason) => note(ENDED[reason]));
  return [...notes, filterNotice(filtered), provenance(model)].filter(Boolean);
}

function note(words) {
  const element = document.createElement("p");
  element.className = "soft";
  element.textContent = words;
  return element;
}
