// The token of the server, asked for once and kept in this tab alone.

const KEY = "textmill.token";
// Why a request is given up: the dialog was closed without a token.
export class NoToken extends Error {}

const VALID = /^[\x21-\x7e]+$/; // fetch sends no request with a header of other characters
let asking = null;

export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token !== null && VALID.test(token) ? { Authorization: `Bearer ${token}` } : {};
}

// Ask for the token, and return once there is one; several requests that lack it ask once.
// `refused` is the Authorization header that the server did not accept.
export function askForToken(refused) {
  if (authorization().Authorization !== refused) return Promise.resolve(); // asked since
  sessionStorage.removeItem(KEY);
  asking ??= ask(refused === undefined ? "" : "This token is wrong.").finally(() => { asking = null; });
  return asking;
}

function ask(problem) {
  const dialog = document.getElementById("token-dialog");
  const input = document.getElementById("token");
  document.getElementById("token-problem").textContent = problem;
  input.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve, reject) => {
    dialog.addEventListener("close", () => {
      const token = input.value.trim();
      input.value = "";
      if (!token) reject(new NoToken("The server requires a token: reload the page to enter it."));
      else if (!VALID.test(token)) resolve(ask("A token has no spaces, and only letters, digits and punctuation of ASCII."));
      else {
        sessionStorage.setItem(KEY, token);
        resolve();
      }
    }, { once: true });
    dialog.addEventListener("cancel", () => { input.value = ""; }, { once: true });
  });
}
