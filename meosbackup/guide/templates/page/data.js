// The picture of the day, decoded: see day_data.py for how it is written.

const LONG_PAUSE = 3 * 3600; // seconds; if meosbackup was off for so long, another day began
const SHORTEST = 600; // seconds that a picture shows, at the least
const VLQ = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Return the day of a page's data. Its times are in seconds since 1970, its lists are oldest first:
//   interval: seconds; first, begin and until: when it begins, when it does without what was long before, and its end;
//   told: the last moment that is known, which is before the end of a day that has only begun;
//   races: {key, name, date, stem, most, points, deletions}: most are its entries, or finished, at their height; points
//   are {from, state}, one for each change; deletions are {from, before}, before is the last batch that has the race;
//   batches: {taken, held, name, isBackup, isComplete, isRemoved, isOwn, states}, name is the folder, 2026-11-22/14-03-00,
//   isOwn if it is the page's own;
//   states of a batch: a Map from a race's key to {entries, finished, cards, hasMeosxml, isOlder};
//   happenings: {kind, key, what, means, do, from, to}, to is null while it stands;
//   gaps: {from, to, isOff}, the times without a good backup, isOff if meosbackup was not running.
function readDay(data) {
  const { interval, races, happenings } = data.day;
  const known = readBatches(data);
  for (const race of races) readTrack(race, known);
  const batches = withOwn(known, data);
  for (const race of races) Object.assign(race, courseOf(race, batches));
  const written = Math.max(data.written, ...batches.map((batch) => batch.held));
  const gaps = gapsIn(batches, happenings, interval, written);
  const first = Math.min(written, ...batches.map((batch) => batch.taken), ...gaps.map((gap) => gap.from));
  const pause = gaps.filter((gap) => gap.isOff && gap.to - gap.from > LONG_PAUSE).pop();
  const begin = pause ? pause.to : first;
  const until = Math.max(written, begin + SHORTEST);
  return { interval, first, begin, until, told: written, races, batches, happenings, gaps };
}

// Return the newest backup of a time; what a restore saved is never meant by a time.
function newestAt(day, time) {
  return day.batches.filter((one) => one.isBackup && one.taken <= time).pop() || null;
}

function readBatches({ day, zone, removed }) {
  const gone = new Set(removed);
  const numbers = readNumbers(day.batches);
  const batches = [];
  let taken = 0;
  for (let place = 0; place < numbers.length / 3; place++) {
    const [step, held, flags] = numbers.slice(3 * place, 3 * place + 3);
    taken += step;
    const name = day.names[place] || folderName(taken, zone);
    batches.push({
      taken,
      held: taken + held,
      name,
      isBackup: !(flags & 1),
      isComplete: !(flags & 2),
      isRemoved: gone.has(name),
      states: new Map(),
    });
  }
  return batches;
}

// Return the batches with the page's own marked among them; the day of a page may lack it.
function withOwn(batches, { batch, folder, zone }) {
  const { taken, is_backup: isBackup, complete: isComplete, races } = batch;
  const isOwn = (one) => (folder ? one.name === folder : one.taken === taken);
  if (!batches.some(isOwn)) {
    const name = folder || folderName(taken, zone);
    const states = new Map(races.filter((race) => race.dump).map((race) => [race.key, stateOf(race)]));
    batches.push({ taken, held: taken, name, isBackup, isComplete, isRemoved: false, states });
    batches.sort((one, other) => one.taken - other.taken);
  }
  return batches.map((one) => ({ ...one, isOwn: isOwn(one) }));
}

function stateOf({ entries, finished, cards, meosxml, error }) {
  return { entries: entries || 0, finished: finished || 0, cards: cards || 0, hasMeosxml: !!meosxml, isOlder: !!error };
}

function folderName(taken, zone) {
  const [date, time] = new Date((taken + zone * 60) * 1000).toISOString().split("T");
  return date + "/" + time.slice(0, 8).replace(/:/g, "-");
}

// Put a race's state into each batch that has it.
function readTrack({ key, track }, batches) {
  const points = track.match(/[\u0100-\u02ff]|[^\u0100-\u02ff]+/g) || [];
  const numbers = points.flatMap((text) => (text < "\u0100" ? readNumbers(text) : readShort(text.charCodeAt(0) - 0x100)));
  let [place, flags, entries, finished, cards, state] = [-1, 0, 0, 0, 0, null];
  const fill = (end) => {
    for (; place < end; place++) if (state) batches[place].states.set(key, state);
  };
  for (let at = 0; at < numbers.length; at += 4) {
    fill(place + 1 + (numbers[at] >> 3));
    flags ^= numbers[at] & 7;
    entries += numbers[at + 1];
    finished += numbers[at + 2];
    cards += numbers[at + 3];
    state = flags & 1 ? { entries, finished, cards, hasMeosxml: !!(flags & 2), isOlder: !!(flags & 4) } : null;
  }
  fill(batches.length);
}

function readShort(bits) {
  const finished = (bits >> 2) & 7;
  return [0, (bits & 3) - 1, finished, finished + (bits >> 5) - 8];
}

// Return how a race went from batch to batch. What a restore saved, or an incomplete batch, may lack a race that is there.
function courseOf({ key }, batches) {
  const [points, deletions] = [[], []];
  let [last, before, most] = [null, null, 1];
  for (const batch of batches) {
    const state = batch.states.get(key) || null;
    if (!state && !(batch.isBackup && batch.isComplete)) continue;
    if (state !== last) points.push({ from: batch.taken, state });
    if (!state && last) deletions.push({ from: batch.taken, before });
    if (state) {
      before = batch;
      most = Math.max(most, state.entries, state.finished);
    }
    last = state;
  }
  return { points, deletions, most };
}

// Return the numbers of a text. They may have more than 32 bits.
function readNumbers(text) {
  const numbers = [];
  let [sign, number, scale] = [0, 0, 0];
  for (const letter of text) {
    const value = VLQ.indexOf(letter);
    if (scale === 0) [sign, number] = [value & 1 ? -1 : 1, (value & 31) >> 1];
    else number += (value & 31) * scale;
    scale = scale === 0 ? 16 : scale * 32;
    if (value >= 32) continue;
    numbers.push(sign * number);
    scale = 0;
  }
  return numbers;
}

// A backup is missing where none was made, or seen to be unneeded, for more than 2.5 intervals. Before meosbackup was
// started, it was not running, unless there was trouble.
function gapsIn(batches, happenings, interval, until) {
  const starts = happenings.filter((one) => one.kind === "start");
  const troubles = happenings.filter((one) => one.kind === "trouble");
  const isLong = (from, to) => to - from > 2.5 * interval;
  const gaps = [];
  const look = (from, to) => {
    if (!isLong(from, to)) return;
    const end = (starts.find((one) => from < one.from && one.from <= to) || { from: Infinity }).from;
    const seen = troubles.filter((one) => one.from < end && from < (one.to || to)).map((one) => one.to || to);
    const stopped = end > to ? to : Math.min(end, Math.max(from, ...seen));
    if (isLong(from, stopped)) gaps.push({ from, to: stopped, isOff: false });
    if (end > to) return;
    if (stopped < end) gaps.push({ from: stopped, to: end, isOff: true });
    look(end, to);
  };
  let held = starts.length ? starts[0].from : Infinity;
  for (const batch of batches.filter((one) => one.isBackup)) {
    look(held, batch.taken);
    held = batch.held;
  }
  look(held, until);
  return gaps;
}
