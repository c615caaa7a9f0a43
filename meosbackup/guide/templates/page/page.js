// Puts the page together, and holds what its reader chose.

// `chosen` is the name of a batch, null for the newest; `race` is a race's key, "" for all, "?" if one is to be chosen.
const state = {
  data: null,
  day: null,
  isLive: false,
  chosen: null,
  race: "",
  tab: "quick",
  system: "windows",
  drives: { windows: "E:", linux: "/media/usb" },
  password: "",
  picture: null,
};

const part = (id) => document.getElementById(id);

// Show data, for the first time or anew.
function show(data) {
  const isSame = state.data !== null && JSON.stringify([data.batch, data.day]) === JSON.stringify([state.data.batch, state.data.day]);
  state.data = data;
  zone = data.zone;
  if (isSame) {
    drawSpare(part("spare"), state);
    return drawHead(part("newest"), data, state.isLive);
  }
  state.day = readDay(data);
  if (!part("steps")) drawFrame();
  return drawAll();
}

function chosenBatch() {
  const { batches } = state.day;
  return batches.find((batch) => batch.name === state.chosen) || batches.find((batch) => batch.isOwn);
}

// Make all that stays where it is while the reader chooses.
function drawFrame() {
  const picture = part("picture") || make("section", undefined, { id: "picture" }); // it keeps its zoom
  part("page").textContent = "";
  const titled = (id, title) => make("section", make("h2", title), { id });
  part("page").append(
    make("header", [make("h1", say("title")), languageField()], { className: "top" }),
    make("section", undefined, { id: "spare" }),
    make("section", undefined, { id: "newest" }),
    titled("happened", say("happened")),
    picture,
    titled("steps", say("steps")),
    make("footer", undefined, { id: "end" }),
  );
  part("happened").append(happenedElement(answer));
  part("steps").firstChild.tabIndex = -1;
  part("steps").append(choosing(), make("div", undefined, { id: "chosen" }), tabsElement(tabNames(), chooseTab));
  const panel = make("div", [filledFields(), make("div", undefined, { id: "list" })], { id: "panel" });
  panel.setAttribute("role", "tabpanel");
  part("steps").append(panel);
}

function tabNames() {
  return [["quick", say("tab_quick")], ["windows", "Windows"], ["linux", "Linux"], ["tool", say("tab_tool")]];
}

function languageField() {
  const options = Object.keys(WORDS).map((code) => make("option", WORDS[code][KEYS.indexOf("language")], { value: code, lang: code }));
  const list = make("select", options, { id: "language" });
  list.value = language;
  list.addEventListener("change", () => {
    remember("language", list.value);
    setLanguage(list.value);
    drawFrame();
    drawAll();
    part("language").focus();
  });
  return field(say("choose_language"), list);
}

// Return the fields of what is to be brought back.
function choosing() {
  const batches = make("select", undefined, { id: "batch" });
  batches.addEventListener("change", () => chooseBatch(batches.value));
  const time = make("input", undefined, { id: "time", placeholder: "14:03", autocomplete: "off", size: 8 });
  time.addEventListener("change", () => chooseTime(time.value));
  const races = make("select", undefined, { id: "race" });
  races.addEventListener("change", () => choose({ race: races.value }));
  return make("div", [
    field(say("backup"), batches),
    field(say("type_time"), time, ""),
    field(say("which"), races),
  ], { className: "choosing" });
}

// Return the fields that the lines are filled with.
function filledFields() {
  const drive = typed("drive", (text) => {
    state.drives[systemOfTab()] = cleanDrive(text, systemOfTab());
  });
  const password = typed("password", (text) => {
    state.password = /^[A-Za-z0-9]*$/.test(text) ? text : "";
    password.setAttribute("aria-invalid", String(state.password !== text));
  });
  password.value = state.password;
  const fields = [field(say("drive"), drive), field(say("password"), password, say("password_means"))];
  return make("div", fields, { className: "choosing", id: "filling" });
}

// Return a field to type in; what is typed there is in the lines at once, and nowhere else.
function typed(id, take) {
  const input = make("input", undefined, { id, autocomplete: "off", spellcheck: false });
  input.addEventListener("input", () => {
    take(input.value);
    drawSteps();
  });
  return input;
}

function drawAll() {
  const { data, day, isLive } = state;
  drawHead(part("newest"), data, isLive);
  state.picture = drawPicture(part("picture"), day, { onChoose: (batch) => chooseBatch(batch.name) });
  part("end").textContent = "";
  const text = make("a", "RESTORE.txt", { href: "RESTORE.txt" });
  if (!isLive) part("end").append(make("p", sentence("as_text", { file: text })));
  const made = { version: data.meosbackup, time: dateText(data.written) + ", " + exactClockText(data.written) };
  part("end").append(make("p", say("made", made)));
  fillBatches(part("batch"), day);
  drawChosen();
}

// Draw what depends on what was chosen.
function drawChosen() {
  const batch = chosenBatch();
  const files = filesOf(batch, state);
  part("batch").value = batch.name;
  fillRaces(part("race"), allRaces(), state.race === "?");
  part("race").value = state.race;
  part("drive").value = state.drives[systemOfTab()];
  state.picture.choose(batch);
  part("chosen").textContent = "";
  part("chosen").append(make("p", chosenText(batch), { className: "moment" }));
  if (!batch.isOwn) part("chosen").append(raceTable(files.races.map((race) => otherRow(race)), null, ownNumbers()));
  markTab(part("steps").querySelector("[role=tablist]"), state.tab);
  part("panel").setAttribute("aria-labelledby", "tab-" + state.tab);
  part("password").parentElement.hidden = state.race !== "" || !["windows", "linux"].includes(state.tab);
  drawSteps();
}

function chosenText(batch) {
  const time = dateText(batch.taken) + ", " + exactClockText(batch.taken);
  return [say("chosen", { time }), ...marksOf(batch, newestAt(state.day, Infinity))].join(" · ");
}

// Return the races of the day, and those that are missing from all of its backups.
function allRaces() {
  const known = new Set(state.day.races.map((race) => race.key));
  return [...state.day.races, ...state.data.batch.races.filter((race) => !known.has(race.key))];
}

function otherRow(race) {
  return { ...race, faults: race.isOlder ? [say("older")] : [] };
}

function ownNumbers() {
  return new Map(state.data.batch.races.map((race) => [race.key, race]));
}

// Draw the steps, or what is to be chosen before.
function drawSteps() {
  drawSpare(part("spare"), state);
  const batch = chosenBatch();
  const files = filesOf(batch, state);
  const race = files.races.find((one) => one.key === state.race) || null;
  const isMissing = state.race !== "" && (race === null || race.dump === null);
  drawIfNew(part("list"), [batch.name, batch.isRemoved, files, state.race, state.tab, state.drives, state.password, state.data.commands], (list) => {
    if (batch.isRemoved) list.append(...goneElements(batch));
    else if (state.race === "?") list.append(make("p", say("which"), { className: "warn note" }));
    else if (isMissing) list.append(make("p", say("missing"), { className: "warn note" }));
    else list.append(...stepsOf({ ...state, batch, race, files }));
    tellProgress();
  });
}

function goneElements(batch) {
  const buttons = nearest(batch, state.day.batches).map((one) => {
    const button = make("button", batchText(one, newestAt(state.day, Infinity)), { type: "button" });
    button.addEventListener("click", () => chooseBatch(one.name));
    return button;
  });
  return [make("p", say("gone"), { className: "warn note" }), make("p", buttons, { className: "buttons" })];
}

function stepsOf(chosen) {
  const { batch, tab, data } = chosen;
  const base = state.isLive ? null : data.folder === null ? "../../" : "";
  const way = wayOn(tab, { ...chosen, base });
  const ticks = ticksOf(batch);
  const onTick = (id, isDone) => {
    ticks[isDone ? "add" : "delete"](id);
    keepTicks(batch, ticks);
    state.chosen = batch.name; // the live page must not put a newer backup under the hands of who follows the steps
    tellProgress();
  };
  const clear = make("button", say("untick"), { type: "button" });
  clear.addEventListener("click", () => {
    ticks.clear();
    keepTicks(batch, ticks);
    for (const box of part("list").querySelectorAll("[data-step]")) markDone(box, false);
    tellProgress();
  });
  const progress = make("div", [make("p", undefined, { id: "progress" }), clear], { className: "progress" });
  const chapters = chaptersFor(tab, way).map((chapter) => chapterElement(chapter, ticks, onTick));
  const trouble = tab === "windows" || tab === "linux" ? [troubleElement(way)] : [];
  const how = tab === "quick" ? [] : [make("p", say("how"))];
  return [...how, progress, ...chapters, ...trouble];
}

function tellProgress() {
  const boxes = [...part("list").querySelectorAll("[data-step]")];
  const done = boxes.filter((box) => box.checked).length;
  if (boxes.length) part("progress").textContent = say("progress", { done: numberText(done), all: numberText(boxes.length) });
}

// Return what is said and to be done if a line fails.
function troubleElement(way) {
  const rows = troubleList(way).flatMap(([said, cure, line]) => [make("dt", said), make("dd", line ? [cure, line] : [cure])]);
  const list = make("dl", rows, { className: "troubles" });
  return make("section", [make("h3", say("trouble")), make("p", say("trouble_means")), list], { className: "chapter trouble" });
}

function systemOfTab() {
  return wayOn(state.tab, state).system;
}

function choose(changes) {
  Object.assign(state, changes);
  drawChosen();
}

function chooseTab(tab) {
  choose({ tab });
}

function chooseBatch(name) {
  choose({ chosen: name });
  tell(say("chosen", { time: exactClockText(chosenBatch().taken) }));
}

function chooseTime(text) {
  if (!text.trim()) return;
  const batch = batchAt(text, state.day);
  part("time").parentElement.querySelector("small").textContent = batch ? "" : say("not_a_time");
  if (batch) chooseBatch(batch.name);
}

// Set everything as it suits what happened, and go there.
function answer(kind) {
  const races = allRaces();
  if (kind === "now") choose({ tab: "quick", race: "", chosen: null });
  if (kind === "server") choose({ tab: state.system, race: "", chosen: null });
  if (kind === "race") choose({ tab: state.tab === "quick" ? state.system : state.tab, race: races.length === 1 ? races[0].key : "?" });
  if (kind === "mistake") choose({ tab: state.tab === "quick" ? state.system : state.tab });
  const place = kind === "race" ? part("race") : kind === "mistake" ? part("batch") : part("steps").firstChild;
  place.scrollIntoView({ block: "center" });
  place.focus();
}

function begin() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const found = driveOfPage();
  const isLinux = /Linux|Mac/.test(navigator.platform) && !/Android|iPhone|iPad/.test(navigator.userAgent);
  state.system = found ? found[0] : isLinux ? "linux" : "windows";
  if (found) state.drives[found[0]] = found[1];
  state.isLive = data === null;
  setLanguage(readersLanguage());
  const told = make("p", undefined, { id: "told", className: "unseen" });
  told.setAttribute("aria-live", "polite");
  document.body.prepend(make("section", undefined, { id: "live" }), told);
  if (state.isLive) beginLive(show);
  else show(data);
  part("text").remove(); // only now: a browser that is too old for this script shows it
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  if (!state.isLive) setInterval(() => tellAge(state.data, false), 10000);
}

begin();
