// The picture of the day as SVG, between two times: an axis, a row of backups, what happened, and a lane for each race.

const NARROW = 640; // pixels; below that, what names a row stands above it
const AXIS = 20;
const ROW = 22;
const MOST_LEVELS = 4;
const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720]; // between two marks of the axis
const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, sans-serif";

// Draw a day into an svg element, and return {width, left, plot, at(x, y), show(batch, chosen)}: its size, where in it
// the view is, which batch is meant by a point of that, and what has it mark a batch, tell its numbers, and mark the
// chosen one. `whole` are the times of the whole day: rows stay where they are while the view changes.
function sketch(svg, day, view, whole, width) {
  const isNarrow = width < NARROW;
  const left = isNarrow ? 0 : 150;
  const plot = Math.max(width - left - (isNarrow ? 0 : 100), 50);
  const named = isNarrow ? 18 : 0;
  const inside = shape("svg", { x: left, width: plot });
  const ground = { svg, inside, day, view, plot, left, width, named, x: scale(view, plot) };
  const levels = Math.max(1, ...placed({ ...ground, view: whole, x: scale(whole, plot) }).map((one) => one.level + 1));
  const tops = { backups: AXIS + named, notes: AXIS + named + ROW + 6 };
  tops.lanes = tops.notes + levels * ROW + 4;
  const laneHeight = named + (day.races.length > 12 ? 34 : day.races.length > 6 ? 46 : 66);
  const height = tops.lanes + laneHeight * day.races.length;

  svg.replaceChildren(inside);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  inside.setAttribute("height", height);
  axis(ground, height);
  shades(ground, tops.backups, height);
  const numbers = day.races.map((race, place) => lane(ground, race, tops.lanes + place * laneHeight, laneHeight));
  backups(ground, tops.backups);
  happened(ground, tops.notes, tops.lanes, height);
  const marks = [mark(ground, "picture-chosen", tops.backups, height), mark(ground, "picture-cursor", AXIS, height)];
  return {
    width,
    left,
    plot,
    at: (pixel, below) => meant(ground, pixel, below - tops.backups),
    show(batch, chosen) {
      marks[0](chosen);
      marks[1](batch);
      numbers.forEach((tell) => tell(batch || newestAt(day, Infinity)));
    },
  };
}

// Return the batch of the newest tick at or before a point, or what a restore saved there; null before the first one.
function meant({ day, view, plot, x }, pixel, below) {
  const safety = day.batches.find((one) => !one.isBackup && Math.abs(x(one.taken) - pixel) <= 8);
  if (safety && below >= 0 && below < ROW) return safety;
  return newestAt(day, view.from + (pixel / plot) * (view.to - view.from));
}

function scale(view, plot) {
  return (time) => Math.round(((time - view.from) / (view.to - view.from)) * plot * 10) / 10;
}

// Return a new element of SVG.
function shape(tag, attributes, content) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const name of Object.keys(attributes)) element.setAttribute(name, attributes[name]);
  if (content !== undefined) element.append(content);
  return element;
}

// Return a text, cut to the room that there is for it.
function words(text, room, attributes) {
  const element = shape("text", attributes, fitted(text, room));
  if (element.textContent !== text) element.append(shape("title", {}, text));
  return element;
}

function fitted(text, room) {
  if (widthOf(text) <= room) return text;
  const letters = Array.from(text).slice(0, Math.ceil(room / 2));
  while (letters.length && widthOf(letters.join("") + "…") > room) letters.pop();
  return letters.length ? letters.join("") + "…" : "";
}

function widthOf(text) {
  return pen.measureText(text).width;
}

function axis({ svg, inside, view, plot, left, x }, height) {
  const fitting = MINUTES.find((minutes) => x(view.from + 60 * minutes) >= 52) || MINUTES[MINUTES.length - 1];
  const step = 60 * fitting;
  let path = "";
  for (let time = Math.ceil((view.from + 60 * zone) / step) * step - 60 * zone; time <= view.to; time += step) {
    path += `M${x(time)} ${AXIS}V${height}`;
    const isMidnight = (time + 60 * zone) % 86400 === 0;
    const text = isMidnight ? momentText(time, { day: "numeric", month: "short" }) : clockText(time);
    const at = x(time);
    if (at > 14 && at < plot - 14) svg.append(shape("text", { x: left + at, y: 13, class: "picture-time" }, text));
  }
  inside.append(shape("path", { d: path, class: "picture-grid" }));
}

// The times without a backup, through all lanes.
function shades({ inside, day, x }, top, height) {
  for (const { kind, from, to } of day.notes) {
    if (kind !== "gap" && kind !== "off") continue;
    inside.append(rectangle(x(from), top, x(to), height - top, "picture-shade picture-shade-" + kind));
  }
}

// The row of the batches: a tick each, hollow if the drive lacks it, and the times without a backup.
function backups({ svg, inside, day, view, plot, left, named, x }, top) {
  const title = { x: named ? 2 : 0, y: named ? top - 4 : top + 15, class: "picture-row" };
  svg.append(words(say("picture_backups"), left ? left - 8 : plot, title));
  const inView = day.batches.filter((one) => view.from <= one.taken && one.taken <= view.to);
  const thickness = Math.min(Math.max((0.5 * plot) / Math.max(inView.length, 1), 1), 5);
  const paths = { "picture-present": "", "picture-removed": "", "picture-incomplete": "" };
  for (const batch of inView) {
    if (!batch.isBackup) continue;
    const kind = batch.isRemoved ? "picture-removed" : batch.isComplete ? "picture-present" : "picture-incomplete";
    const margin = batch.isRemoved || !batch.isComplete ? ROW / 4 : 0;
    paths[kind] += `M${x(batch.taken)} ${top + margin}h${thickness}v${ROW - 2 * margin}h${-thickness}z`;
  }
  for (const kind of Object.keys(paths)) inside.append(shape("path", { d: paths[kind], class: kind }));
  for (const { kind, from, to, text, number } of day.notes) {
    const [start, end] = [Math.max(x(from), 0), Math.min(x(to || day.until), plot)];
    if ((kind !== "gap" && kind !== "off") || end <= start) continue;
    inside.append(rectangle(start, top, end, ROW, "picture-" + kind));
    const fitting = [text, lengthText(to - from), String(number)].find((one) => widthOf(one) + 6 <= end - start);
    const middle = { x: (start + end) / 2, y: top + 15, class: "picture-gap-words" };
    if (fitting) inside.append(shape("text", middle, fitting));
  }
  for (const batch of inView) {
    if (batch.isBackup) continue;
    const path = `M${x(batch.taken) - 7} ${top + ROW / 2}l7 -8l7 8l-7 8z`;
    inside.append(shape("path", { d: path, class: batch.isRemoved ? "picture-safety-removed" : "picture-safety" }));
  }
}

// Troubles as bars and alarms as triangles, with words where there is room. An alarm goes through all lanes.
function happened({ inside, ...ground }, top, lanes, height) {
  let lines = "";
  for (const { note, level, start, end, text, at, anchor } of placed(ground)) {
    const y = top + level * ROW;
    if (note.kind === "alarm") {
      inside.append(rectangle(start, y + 14, end, 2, "picture-trouble"));
      inside.append(shape("path", { d: `M${start - 7} ${y + 17}h14l-7 -14z`, class: "picture-alarm" }));
      lines += `M${start} ${y + 17}V${height}`;
    } else {
      inside.append(rectangle(start, y + 4, end, 12, "picture-trouble"));
    }
    inside.append(shape("text", { x: at, y: y + 14, class: "picture-words", "text-anchor": anchor }, text));
  }
  inside.append(shape("path", { d: lines, class: "picture-alarm-line" }));
}

// Return in which level each trouble and alarm in view stands, from where to where, and the text beside it.
function placed({ day, view, plot, x }) {
  const ends = Array(MOST_LEVELS).fill(-Infinity);
  const found = [];
  for (const note of day.notes) {
    const last = note.to || day.until;
    if ((note.kind !== "trouble" && note.kind !== "alarm") || note.from > view.to || last < view.from) continue;
    const start = Math.max(x(note.from), 0);
    const end = Math.max(Math.min(x(last), plot), start + 4);
    const free = ends.findIndex((one) => one + 12 <= start);
    const level = free < 0 ? MOST_LEVELS - 1 : free;
    const rooms = free < 0 ? [0, 0] : [plot - end - 12, start - Math.max(ends[level], 0) - 12];
    const isAfter = widthOf(note.text) <= rooms[0] || rooms[0] >= rooms[1];
    const text = fitted(note.text, isAfter ? rooms[0] : rooms[1]);
    found.push({ note, level, start, end, text, at: isAfter ? end + 10 : start - 10, anchor: isAfter ? "start" : "end" });
    ends[level] = Math.max(ends[level], end + (isAfter ? 10 + widthOf(text) : 0));
  }
  return found;
}

// A race's lane: its entries as a line, those who have finished as an area, and where it was deleted. Returns what has
// it tell the numbers of a batch.
function lane({ svg, inside, day, plot, left, width, named, x }, race, top, height) {
  const base = top + height - 4;
  const y = (count) => Math.round((base - (count / race.most) * (height - named - 12)) * 10) / 10;
  let [line, area, older, open] = ["", "", "", null];
  for (const { from, state } of [...race.points, { from: day.until, state: null }]) {
    const at = x(from);
    if (open) {
      line += "H" + at;
      area += "H" + at;
      if (open.state.isOlder) older += `M${x(open.from)} ${base}H${at}`;
    }
    if (state) {
      line += (open ? "V" : `M${at} `) + y(state.entries);
      area += (open ? "V" : `M${at} ${base}V`) + y(state.finished);
    } else if (open) area += `V${base}Z`;
    open = state && { from, state };
  }
  inside.append(shape("path", { d: area, class: "picture-finished" }), shape("path", { d: line, class: "picture-entries" }));
  inside.append(shape("path", { d: older, class: "picture-older" }), shape("path", { d: `M0 ${base}H${plot}`, class: "picture-base" }));
  for (const { from } of race.deletions) {
    const at = x(from);
    const isBefore = at + 12 + widthOf(say("picture_deleted")) > plot;
    inside.append(shape("path", { d: `M${at - 5} ${base - 13}l10 10m0 -10l-10 10`, class: "picture-deleted" }));
    const place = { x: at + (isBefore ? -9 : 9), y: base - 4, "text-anchor": isBefore ? "end" : "start" };
    inside.append(shape("text", { ...place, class: "picture-words" }, say("picture_deleted")));
  }
  const middle = named ? top + 14 : top + height / 2 + 4;
  svg.append(words(race.name, left ? left - 10 : width - 90, { x: named ? 2 : 0, y: middle, class: "picture-name" }));
  const [finished, entries] = ["picture-number-finished", "picture-number"].map((kind) => shape("tspan", { class: kind }));
  const numbers = shape("text", { x: width - (named ? 2 : 0), y: middle, class: "picture-numbers" });
  numbers.append(finished, " / ", entries);
  svg.append(numbers);
  return (batch) => {
    const state = batch && batch.states.get(race.key);
    finished.textContent = state ? numberText(state.finished) : "–";
    entries.textContent = state ? numberText(state.entries) : "–";
  };
}

// A line through all rows at a batch's time. Returns what moves it to another batch, or hides it.
function mark({ inside, x }, kind, top, height) {
  const line = shape("path", { class: kind });
  inside.append(line);
  return (batch) => line.setAttribute("d", batch ? `M${x(batch.taken)} ${top}V${height}` : "");
}

// Return a sign of the picture by itself, for the legend.
function sign(kind) {
  const paths = {
    present: "M6 2h4v12h-4z",
    removed: "M6 4h4v8h-4z",
    incomplete: "M6 4h4v8h-4z",
    safety: "M1 8l7 -8l7 8l-7 8z",
    trouble: "M1 3h14v10h-14z",
    alarm: "M1 14h14l-7 -13z",
    entries: "M0 11H6V5H16",
    finished: "M0 15V10H8V5H16V15Z",
  };
  const drawing = shape("svg", { class: "picture-sign", width: 16, height: 16, "aria-hidden": "true" });
  drawing.append(shape("path", { d: paths[kind], class: "picture-" + kind }));
  return drawing;
}

function rectangle(from, top, to, height, kind) {
  return shape("rect", { x: from, y: top, width: Math.max(to - from, 0), height, class: kind });
}
