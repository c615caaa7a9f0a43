// What happened on the day: marked in its picture, and listed below that.

const MOST_LISTED = 12; // those before them are folded up

// Return all of it, oldest first: {kind, number, from, to, text, told}. `to` is null while it stands, and the same as
// `from` for a moment; `text` is what the picture says, and `told` are the paragraphs of the list.
function notesOf(day) {
  const notes = [];
  const note = (kind, from, to, text, told = [text]) => notes.push({ kind, from, to, text, told });
  for (const { from, to, isOff } of day.gaps) {
    const length = lengthText(to - from);
    note(isOff ? "off" : "gap", from, to, say(isOff ? "picture_off" : "picture_gap", { length }));
  }
  for (const { kind, from, to, what, means, do: cure } of day.happenings) {
    if (kind === "start") note(kind, from, from, say("picture_start"));
    else note(kind, from, to, what, [heading(kind, what), english(means), english(cure)]);
  }
  for (const { isBackup, taken } of day.batches) {
    if (!isBackup) note("safety", taken, taken, say("picture_safety"), [say("picture_safety_means")]);
  }
  for (const race of day.races) {
    for (const { from, before } of race.deletions) {
      const values = { race: stranger(race.name), time: timeText(before.taken, day) };
      note("deleted", from, from, say("picture_deleted"), [sentence("picture_deleted_means", values)]);
    }
  }
  notes.sort((one, other) => one.from - other.from);
  return notes.map((one, place) => ({ ...one, number: place + 1 }));
}

function heading(kind, what) {
  return make("span", [make("b", say(kind === "alarm" ? "live_alarm" : "live_trouble")), " ", english(what)]);
}

// meosbackup's own messages are in English, whatever the page's language.
function english(text) {
  return make("span", text, { lang: "en" });
}

// List what happened in an element; a click on a time calls onTime(time).
function listNotes(element, day, onTime) {
  const rows = day.notes.map(({ kind, number, from, to, told }) => {
    const time = make("button", spanText(from, to, day), { type: "button", className: "picture-when", onclick: () => onTime(from) });
    const paragraphs = told.map((one) => make("p", one));
    const cells = [make("th", String(number), { scope: "row" }), make("td", time), make("td", paragraphs)];
    return make("tr", cells, { className: "picture-note-" + kind });
  });
  const before = make("details", undefined, { open: Boolean(element.querySelector("details[open]")) });
  const earlier = rows.splice(0, Math.max(rows.length - MOST_LISTED, 0));
  if (earlier.length) {
    const span = spanText(day.notes[0].from, day.notes[earlier.length - 1].from, day);
    before.append(make("summary", span), make("table", make("tbody", earlier)));
  }
  const quiet = day.notes.every(({ kind }) => kind === "start") ? [make("p", say("picture_quiet"))] : [];
  const table = make("table", make("tbody", rows));
  const list = make("div", [make("h3", say("picture_list")), ...quiet, ...(earlier.length ? [before] : []), table]);
  if (list.textContent !== element.textContent) element.replaceChildren(list); // what has the focus keeps it
}

function spanText(from, to, day) {
  if (to === null) return say("picture_since", { from: timeText(from, day) });
  return from === to ? timeText(from, day) : say("picture_span", { from: timeText(from, day), to: timeText(to, day) });
}

// Return a time to the second; with its date, if that isn't the day's last one.
function timeText(time, day) {
  const date = momentText(time, { day: "numeric", month: "short" });
  const isToday = date === momentText(day.until, { day: "numeric", month: "short" });
  return isToday ? exactClockText(time) : date + " " + exactClockText(time);
}

// Return what the signs of the picture mean, of those that it has.
function legendOf({ batches, notes }) {
  const has = (kind) => notes.some((one) => one.kind === kind);
  const signs = [
    ["present", say("picture_backups"), true],
    ["removed", say("picture_removed"), batches.some((one) => one.isRemoved)],
    ["incomplete", say("not_complete"), batches.some((one) => !one.isComplete)],
    ["safety", say("picture_safety"), has("safety")],
    ["trouble", say("live_trouble"), has("trouble")],
    ["alarm", say("live_alarm"), has("alarm")],
    ["older", say("older"), batches.some((one) => [...one.states.values()].some((state) => state.isOlder))],
    ["entries", say("entries"), true],
    ["finished", say("finished"), true],
  ];
  return signs.filter(([, , isThere]) => isThere).map(([kind, text]) => make("span", [sign(kind), text]));
}
