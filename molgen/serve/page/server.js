// Requests to the server, and its answers and commands in the page.

export async function ask(action, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  return read(await fetch(`/api/${action}`, options));
}

export async function upload(file) {
  return read(await fetch(`/api/upload?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file }));
}

async function read(response) {
  const text = await response.text();
  if (response.headers.get("content-type") !== "application/json") throw new Error(text || response.statusText);
  const answer = JSON.parse(text);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(label, work) {
  const made = make("button", { type: "button", textContent: label });
  made.addEventListener("click", () => work(made));
  return made;
}

export function splitList(text) {
  return text.split(";").map((part) => part.trim()).filter(Boolean);
}

export function tell(note, text, isWrong = false) {
  note.classList.toggle("wrong", isWrong);
  note.replaceChildren(text);
}

export function tellCommand(note, text, command) {
  note.classList.remove("wrong");
  note.replaceChildren(`${text}  The same by: `, make("code", { textContent: command }));
}

// Runs an action of a form or button: busy while it runs, with its error in the note. Late answers are dropped.
export async function act(button, note, work) {
  const number = (note.dataset.number = String(Number(note.dataset.number ?? 0) + 1));
  button.disabled = true;
  tell(note, "Working ...");
  try {
    await work(() => note.dataset.number === number);
  } catch (error) {
    if (note.dataset.number === number) tell(note, error.message, true);
  } finally {
    button.disabled = false;
  }
}
