// The picture of the day, decoded: see day_data.py for how it is written.

// Return the day of a page's data. Its times are in seconds since 1970, its lists are as old first:
//   interval: seconds; races: {key, name, date, stem};
//   batches: {taken, held, name, isBackup, isComplete, isRemoved, states}, name is the folder, 2026-11-22/14-03-00;
//   states of a batch: a Map from a race's key to {entries, finished, cards, hasMeosxml, isOlder};
//   happenings: {kind, what, means, do, from, to}, to is null while it stands.
function readDay(data) {
  return { interval: data.day.interval, races: [], batches: [], happenings: data.day.happenings };
}
