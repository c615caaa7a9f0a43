// What the reader chooses: what happened, a backup, a race, the drive.

// Return the questions of "What happened?"; answer(kind) is called with what was clicked.
function happenedElement(answer) {
  const buttons = ["now", "server", "race", "mistake"].map((kind) => {
    const words = [make("b", say("happened_" + kind)), make("span", say(`happened_${kind}_do`))];
    const button = make("button", words, { type: "button", className: "answer" });
    button.dataset.answer = kind;
    button.addEventListener("click", () => answer(kind));
    return button;
  });
  return make("div", buttons, { className: "answers" });
}

// Return a field with its label; `hint` is said below it.
function field(label, control, hint) {
  const parts = [make("span", label), control];
  if (hint !== undefined) parts.push(make("small", hint));
  return make("label", parts, { className: "field" });
}

// Fill a list with all batches, newest first, day by day.
function fillBatches(list, day) {
  const newest = newestAt(day, Infinity);
  const options = [...day.batches].reverse().map((one) => [dateText(one.taken), one.name, batchText(one, newest)]);
  drawIfNew(list, options, () => {
    let group = null;
    for (const [label, value, text] of options) {
      if (!group || group.label !== label) {
        group = make("optgroup", undefined, { label });
        list.append(group);
      }
      group.append(make("option", text, { value }));
    }
  });
}

function batchText(batch, newest) {
  return [exactClockText(batch.taken), ...marksOf(batch, newest)].join(" · ");
}

// Return what sets a batch apart, in words.
function marksOf(batch, newest) {
  const marks = [
    [batch === newest, "backup_newest"],
    [!batch.isComplete, "not_complete"],
    [!batch.isBackup, "picture_safety"],
    [batch.isRemoved, "picture_removed"],
  ];
  return marks.filter(([isSo]) => isSo).map(([, key]) => say(key));
}

// Fill a list with the races; "?" asks to choose one.
function fillRaces(list, races, isAsked) {
  const named = races.map((race) => [race.key, race.name + (race.date ? ` (${race.date})` : "")]);
  const options = [...(isAsked ? [["?", "…"]] : []), ["", say("all_races")], ...named];
  drawIfNew(list, options, () => list.append(...options.map(([value, text]) => make("option", text, { value }))));
}

// Return the batch that was the newest at a time which the reader typed, as 14:03 or 140300; null if it is no time.
function batchAt(text, day) {
  const found = /^\s*([01]?\d|2[0-3])[\s:.,h-]?([0-5]\d)(?:[\s:.,-]?([0-5]\d))?\s*$/i.exec(text);
  const newest = newestAt(day, Infinity);
  if (!found || !newest) return null;
  const midnight = newest.taken - ((newest.taken + zone * 60) % 86400);
  const wanted = Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3] || 59);
  return newestAt(day, midnight + wanted) || day.batches.find((batch) => batch.isBackup);
}

// Return the batches on the drive that are nearest to one that isn't there any more: before it and after it.
function nearest(batch, batches) {
  const there = batches.filter((one) => !one.isRemoved);
  const before = there.filter((one) => one.taken <= batch.taken).pop();
  const after = there.find((one) => one.taken > batch.taken);
  return [before, after].filter(Boolean);
}

// Return tabs, to be reached by Tab and changed by the arrow keys; change(name) is called with the chosen one.
function tabsElement(names, change) {
  const tabs = names.map(([name, label]) => {
    const tab = make("button", label, { type: "button", id: "tab-" + name });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", "panel");
    tab.dataset.tab = name;
    tab.addEventListener("click", () => change(name));
    return tab;
  });
  const list = make("div", tabs, { className: "tabs" });
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", say("steps"));
  list.addEventListener("keydown", (event) => {
    const place = tabs.indexOf(document.activeElement);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = tabs[(next + tabs.length) % tabs.length];
    change(tab.dataset.tab);
    tab.focus();
  });
  return list;
}

function markTab(list, name) {
  for (const tab of list.children) {
    const isChosen = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
}
