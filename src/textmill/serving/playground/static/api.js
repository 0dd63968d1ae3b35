// Requests to the server, and its errors.

import { askForToken, authorization } from "/playground/token.js";

export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

export async function post(path, body, signal) {
  return (await send(path, body, signal)).json();
}

// Yield the JSON values of a stream of server-sent events. Leaving the loop ends the request.
export async function* stream(path, body, signal) {
  const response = await send(path, { ...body, stream: true }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let received = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("The server has ended the answer before it was complete.");
      const events = (received + value).split("\n\n");
      received = events.pop();
      for (const event of events) {
        const data = event.replace(/^data: /, "");
        if (data === "[DONE]") return;
        const parsed = JSON.parse(data);
        if (parsed.error) throw new Error(parsed.error.message);
        yield parsed;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have failed already
  }
}

function send(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

async function request(path, options) {
  for (;;) {
    const own = authorization();
    const response = await reach(path, { ...options, headers: { ...options.headers, ...own } });
    if (response.ok) return response;
    if (response.status !== 401) throw new Error(await message(response));
    await askForToken(own.Authorization);
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is textmill serve still running?");
  }
}

async function message(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error.message;
  } catch {
    return text || `The server answered with status ${response.status}.`;
  }
}
