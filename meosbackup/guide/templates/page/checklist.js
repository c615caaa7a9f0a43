// Steps that are ticked off, and commands that are copied.

const KEPT_LISTS = 20; // backups whose ticks are kept

// Return the ticks of a backup: a Set of steps.
function ticksOf(batch) {
  return new Set((allTicks().find(([name]) => name === batch.name) || [null, []])[1]);
}

function keepTicks(batch, ticks) {
  const others = allTicks().filter(([name]) => name !== batch.name);
  remember("ticks", JSON.stringify([[batch.name, [...ticks]], ...others].slice(0, KEPT_LISTS)));
  keptHere = [[batch.name, [...ticks]], ...others];
}

let keptHere = null; // for a browser that keeps nothing

function allTicks() {
  if (keptHere) return keptHere;
  try {
    const found = JSON.parse(remembered("ticks"));
    return found.filter(([name, ticks]) => typeof name === "string" && Array.isArray(ticks));
  } catch (error) {
    return [];
  }
}

// Return a chapter of steps. A step has an id, a text, and perhaps more elements, which stand below it.
function chapterElement({ title, notes = [], steps }, ticks, onTick) {
  const list = make("ol", steps.map((step) => stepElement(step, ticks, onTick)), { className: "steps" });
  return make("section", [make("h3", title), ...notes.map((note) => make("p", note)), list], { className: "chapter" });
}

function stepElement({ id, text, more = [] }, ticks, onTick) {
  const box = make("input", undefined, { type: "checkbox", checked: ticks.has(id) });
  box.dataset.step = id;
  box.addEventListener("change", () => {
    markDone(box, box.checked);
    onTick(id, box.checked);
  });
  const item = make("li", [make("label", [box, make("span", text)]), ...more]);
  markDone(box, box.checked);
  return item;
}

function markDone(box, isDone) {
  box.checked = isDone;
  box.closest("li").classList.toggle("done", isDone);
}

// Return what the reader sees after a step.
function seen(text) {
  return make("p", text, { className: "seen" });
}

// Return a line to paste, with a button that copies it.
function command(line) {
  const code = make("code", line, { translate: false, className: line.includes(" ") ? "" : "path" });
  const button = make("button", say("copy"), { type: "button", className: "copy" });
  button.addEventListener("click", async () => {
    const isCopied = await copied(line);
    if (!isCopied) getSelection().selectAllChildren(code);
    showCopied(button, say(isCopied ? "copied" : "copy_yourself"));
  });
  return make("div", [code, button], { className: "command" });
}

// The last line that was copied stays marked: it tells where one was.
function showCopied(button, text) {
  for (const other of document.querySelectorAll(".copy.is-copied")) {
    other.classList.remove("is-copied");
    other.textContent = say("copy");
  }
  button.classList.add("is-copied");
  button.textContent = text;
  tell(text);
}

// Copy a text, and return whether that worked. Some browsers have no clipboard for files, or forbid it.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    return copiedFromField(text);
  }
}

function copiedFromField(text) {
  const before = document.activeElement;
  const field = make("textarea", undefined, { value: text, readOnly: true, className: "unseen" });
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch (error) {
    return false;
  } finally {
    field.remove();
    before.focus();
  }
}

// Tell those who hear the page what they can't see.
function tell(text) {
  document.getElementById("told").textContent = text;
}
