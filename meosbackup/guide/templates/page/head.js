// The newest backup, and the table of a backup's races.

// Fill the head of the page: the batch that the page is of.
function drawHead(element, data, isLive) {
  const { batch } = data;
  const isTop = isLive || data.folder !== null;
  element.textContent = "";
  element.append(
    make("h2", say(isTop ? "newest" : "own"), { id: "newest-title" }),
    make("p", "", { id: "age" }),
    make("p", [dateText(batch.taken), ", ", make("b", exactClockText(batch.taken))], { className: "moment" }),
    make("ul", headFacts(data), { className: "facts" }),
  );
  if (!isTop) {
    const newer = make("a", say("own_newer"), { href: "../../RESTORE.html" });
    element.append(make("p", newer, { className: "newer" }));
  }
  element.append(raceTable(batch.races.map((race) => rowOf(race, batch)), faultOf(batch)), ...proofOf(data));
  element.append(make("p", say("from_server", { server: batch.server }), { className: "quiet" }));
  tellAge(data, isLive);
}

function headFacts({ batch, held }) {
  const state = batch.complete ? ["good", "✓ " + say("complete")] : ["bad", "✗ " + say("not_complete")];
  const facts = [make("li", state[1], { className: state[0] })];
  if (!batch.is_backup) facts.push(make("li", say("picture_safety"), { className: "warn" }));
  if (held !== null) facts.push(make("li", say("held", { time: nearText(held, batch.taken) })));
  return facts;
}

function proofOf({ batch, proof }) {
  if (proof === null) return [];
  const values = { time: nearText(proof.proven, batch.taken), backup: nearText(proof.batch, batch.taken) };
  return [make("p", "✓ " + say("proven", values), { className: "proof" })];
}

// Say how old the backup is, if the reader's clock can be right. The live page has its own way to tell.
function tellAge(data, isLive) {
  const element = document.getElementById("age");
  const now = Date.now() / 1000;
  const isRight = now >= data.written;
  element.hidden = isLive;
  element.className = isRight ? "age" : "quiet";
  element.textContent = isRight ? say("age", { length: lengthText(now - data.batch.taken) }) : say("clock_wrong");
}

// Return a race of the page's own batch as a row of the table.
function rowOf(race, batch) {
  const faults = [];
  if (race.dump === null) faults.push(say("missing"));
  else if (race.error) {
    faults.push(race.taken === null ? say("older") : say("older_from", { time: nearText(race.taken, batch.taken) }));
  }
  if (race.error) faults.push(reason(race.error));
  return { ...race, faults, change: race.change === null ? say("unknown") : nearText(race.change, batch.taken) };
}

function reason(error) {
  return sentence("why", { reason: stranger(error) });
}

// Return what is wrong with the batch's race list.
function faultOf({ race_list: list }) {
  if (list.dump !== null && list.error === null) return null;
  return { name: say("race_list"), faults: [say(list.dump === null ? "missing" : "older"), ...(list.error ? [reason(list.error)] : [])] };
}

// Return the table of races: {name, date, entries, finished, cards, change, faults}. `before` has the numbers to tell
// the difference from, by the races' keys.
function raceTable(rows, listFault, before) {
  const heads = ["race", "entries", "finished", "cards", ...(before ? [] : ["last_change"])];
  const body = rows.map((row) => rowElement(row, before && (before.get(row.key) || {}), heads.length));
  if (listFault) body.push(faultRow(listFault, heads.length));
  const head = make("tr", heads.map((key) => make("th", say(key), { scope: "col" })));
  return make("table", [make("thead", head), make("tbody", body)], { className: "races" });
}

function rowElement(row, before, width) {
  const name = make("th", [stranger(row.name), " ", make("small", stranger(row.date))], { scope: "row" });
  if (row.faults.length) name.append(...row.faults.map((fault) => make("p", ["✗ ", fault], { className: "fault" })));
  const numbers = ["entries", "finished", "cards"].map((key) => numberCell(row[key], before && before[key], say(key)));
  const change = before ? [] : [labelled(make("td", row.change), say("last_change"))];
  const element = make("tr", [name, ...numbers, ...change]);
  element.dataset.width = width;
  return element;
}

function faultRow({ name, faults }, width) {
  const cell = make("td", [name, ...faults.map((fault) => make("p", ["✗ ", fault], { className: "fault" }))], { colSpan: width });
  return make("tr", cell);
}

function numberCell(number, before, label) {
  const isKnown = typeof number === "number";
  const cell = make("td", isKnown ? numberText(number) : "–", { className: "number" });
  const difference = isKnown && typeof before === "number" ? number - before : 0;
  if (difference) cell.append(" ", make("small", (difference > 0 ? "+" : "−") + numberText(Math.abs(difference))));
  return labelled(cell, label);
}

// On a phone, each cell tells its column.
function labelled(cell, label) {
  cell.dataset.label = label;
  return cell;
}
