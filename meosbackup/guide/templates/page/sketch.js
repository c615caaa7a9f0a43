// The picture of the day as SVG, between two times: an axis, a row of backups, what happened, and a lane for each race.

const NARROW = 640; // pixels; below that, what names a row stands above it
const AXIS = 20;
const ROW = 22;
const EDGE = 4; // what is drawn of a line at the view's edge
const MOST_LEVELS = 5;
const BOLD = 1.12; // times as wide as plain letters
const LEAST_ROOM = 80; // for words; a number in the list stands for those that have less
const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720]; // between two marks of the axis
const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, sans-serif";

// Draw a day into an svg element, and return {width, left, plot, at(x, y), show(batch, chosen)}: its size, where in it
// the view is, which batch is meant by a point of that, and what has it mark a batch, tell its numbers, and mark the
// chosen one. `whole` are the times of the whole day: rows stay where they are while the view changes.
function sketch(svg, day, view, whole, width) {
  const isNarrow = width < NARROW;
  const left = isNarrow ? EDGE : Math.min(Math.max(...day.races.map((race) => boldWidthOf(race.name)), 80) + 14, 200);
  const right = isNarrow ? EDGE : Math.min(Math.max(widthOf(say("finished") + " / " + say("entries")), 80) + 14, 190);
  const plot = Math.max(width - left - right, 50);
  const named = isNarrow ? 18 : 0;
  const inside = shape("svg", { x: left - EDGE, width: plot + 2 * EDGE });
  const ground = { svg, inside, day, view, plot, left, right, width, named, x: scale(view, plot) };
  const levels = Math.max(0, ...placed({ ...ground, view: whole, x: scale(whole, plot) }).map((one) => one.level + 1));
  const tops = { backups: AXIS + named, notes: AXIS + named + ROW + 6 };
  tops.lanes = tops.notes + levels * ROW + 4;
  const laneHeight = named + (day.races.length > 12 ? 34 : day.races.length > 6 ? 46 : 66);
  const height = tops.lanes + laneHeight * day.races.length;

  svg.replaceChildren(inside);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  inside.setAttribute("height", height);
  inside.setAttribute("viewBox", `${-EDGE} 0 ${plot + 2 * EDGE} ${height}`);
  axis(ground, height);
  shades(ground, tops.backups, height);
  const numbers = day.races.map((race, place) => lane(ground, race, tops.lanes + place * laneHeight, laneHeight));
  backups(ground, tops.backups);
  happened(ground, tops.notes, height);
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

// Return the batch of the newest tick at or before a point, or what a restore saved there; null if there is none.
function meant({ day, view, plot, x }, pixel, below) {
  if (pixel < -EDGE || pixel > plot + EDGE) return null;
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

function boldWidthOf(text) {
  return widthOf(text) * BOLD;
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
function backups({ svg, inside, day, view, plot, left, right, width, named, x }, top) {
  const title = { x: named ? 2 : 0, y: named ? top - 4 : top + 15, class: "picture-row" };
  svg.append(words(say("picture_backups"), named ? plot : left - 10, title));
  if (!named) svg.append(words(say("finished") + " / " + say("entries"), right - 8, { x: width, y: 13, class: "picture-row picture-last" }));
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
  for (const note of day.notes) {
    const block = blockOf(note, { plot, x });
    if (!block) continue;
    const { start, end, isWide } = block;
    inside.append(rectangle(start, top, end, ROW, "picture-" + note.kind));
    if (isWide) inside.append(shape("text", { x: (start + end) / 2, y: top + 15, class: "picture-block-words" }, note.text));
  }
  for (const batch of inView) {
    if (batch.isBackup) continue;
    const path = `M${x(batch.taken) - 7} ${top + ROW / 2}l7 -8l7 8l-7 8z`;
    inside.append(shape("path", { d: path, class: batch.isRemoved ? "picture-safety-removed" : "picture-safety" }));
  }
}

// Return what of the row of batches a time without a backup takes, and whether its words fit into that.
function blockOf({ kind, from, to, text }, { plot, x }) {
  const [start, end] = [Math.max(x(from), 0), Math.min(x(to), plot)];
  return (kind === "gap" || kind === "off") && start < end && { start, end, isWide: boldWidthOf(text) + 8 <= end - start };
}

// Troubles as bars and alarms as triangles, with words where there is room. An alarm goes through all lanes.
function happened(ground, top, height) {
  let lines = "";
  for (const { note, level, start, end, text, at, anchor } of placed(ground)) {
    const y = top + level * ROW;
    if (note.kind === "trouble") ground.inside.append(rectangle(start, y + 5, end, 12, "picture-trouble"));
    if (note.kind === "alarm") {
      ground.inside.append(rectangle(start, y + 15, end, 2, "picture-trouble"));
      ground.inside.append(shape("path", { d: `M${start - 7} ${y + 17}h14l-7 -14z`, class: "picture-alarm" }));
      lines += `M${start} ${y + 17}V${height}`;
    }
    const place = { x: at, y: y + 15, class: "picture-words picture-words-" + note.kind, "text-anchor": anchor };
    ground.inside.append(shape("text", place, text));
  }
  ground.inside.append(shape("path", { d: lines, class: "picture-alarm-line" }));
}

// Return what happened in view and has its words below the row of batches: in which level, from where to where, and the
// text beside it. Of much that happened, only the numbers are shown that it has in the list.
function placed({ day, view, plot, x }) {
  const shown = day.notes.filter((note) => {
    const block = blockOf(note, { plot, x });
    const isInView = note.from <= view.to && (note.to === null ? day.told : note.to) >= view.from;
    return isInView && (note.kind === "trouble" || note.kind === "alarm" || (block && !block.isWide));
  });
  const most = (plot * MOST_LEVELS) / shown.length;
  const ends = Array(MOST_LEVELS).fill(-Infinity);
  return shown.map((note) => {
    const start = Math.max(x(note.from), 0);
    const end = Math.max(Math.min(x(note.to === null ? day.told : note.to), plot), start + 4);
    const length = Math.min(widthOf(note.text), most);
    const after = plot - end - 12;
    const rooms = ends.map((one) => (one + 12 > start ? -1 : Math.min(Math.max(after, start - Math.max(one, 0) - 12), length)));
    const room = Math.max(...rooms);
    const level = room < 0 ? MOST_LEVELS - 1 : rooms.indexOf(room);
    const isCut = room < Math.min(LEAST_ROOM, widthOf(note.text));
    const text = room < 0 ? "" : isCut ? String(note.number) : fitted(note.text, room);
    const isAfter = isCut || room <= after;
    ends[level] = Math.max(ends[level], isAfter ? end + 10 + widthOf(text) : end);
    return { note, level, start, end, text, at: isAfter ? end + 10 : start - 10, anchor: isAfter ? "start" : "end" };
  });
}

// A race's lane: its entries as a line, those who have finished as an area, and where it was deleted. Returns what has
// it tell the numbers of a batch.
function lane({ svg, inside, day, plot, left, width, named, x }, race, top, height) {
  const base = top + height - 4;
  const y = (count) => Math.round((base - (count / race.most) * (height - named - 12)) * 10) / 10;
  let [line, field, area, older, open] = ["", "", "", "", null];
  for (const { from, state } of [...race.points, { from: day.told, state: null }]) {
    const at = x(from);
    if (open) {
      line += "H" + at;
      field += "H" + at;
      area += "H" + at;
      if (open.state.isOlder) older += `M${x(open.from)} ${base}H${at}`;
    }
    if (state) {
      line += (open ? "V" : `M${at} `) + y(state.entries);
      field += (open ? "V" : `M${at} ${base}V`) + y(state.entries);
      area += (open ? "V" : `M${at} ${base}V`) + y(state.finished);
    } else if (open) {
      field += `V${base}Z`;
      area += `V${base}Z`;
    }
    open = state && { from, state };
  }
  const paths = { field, finished: area, entries: line, base: `M0 ${base}H${plot}`, older };
  for (const kind of Object.keys(paths)) inside.append(shape("path", { d: paths[kind], class: "picture-" + kind }));
  for (const { from, before } of race.deletions) {
    const [at, high] = [x(from), y(before.states.get(race.key).entries)];
    const isBefore = at + 12 + widthOf(say("picture_deleted")) > plot;
    inside.append(shape("path", { d: `M${at - 5} ${high - 5}l10 10m0 -10l-10 10`, class: "picture-deleted" }));
    const place = { x: at + (isBefore ? -9 : 9), y: high + 4, "text-anchor": isBefore ? "end" : "start" };
    inside.append(shape("text", { ...place, class: "picture-words" }, say("picture_deleted")));
  }
  const middle = named ? top + 14 : top + height / 2 + 4;
  svg.append(words(race.name, (named ? width - 90 : left - 10) / BOLD, { x: named ? 2 : 0, y: middle, class: "picture-name" }));
  const [finished, entries] = ["picture-number-finished", "picture-number"].map((kind) => shape("tspan", { class: kind }));
  const numbers = shape("text", { x: width - (named ? 2 * EDGE : 0), y: middle, class: "picture-numbers" });
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
    older: "M0 13H16",
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
