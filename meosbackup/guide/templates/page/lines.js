// The lines to paste for a backup: where its files are, and what restores them. RESTORE.txt has the same lines.

const OPEN_FIREWALL = 'netsh advfirewall firewall add rule name="MySQL" dir=in action=allow protocol=TCP localport=3306';
const SETTINGS_FILE = "/etc/mysql/mariadb.conf.d/99-meos.cnf";
const SET_UP_LINUX = [
  "sudo apt update",
  "sudo apt install mariadb-server",
  "printf '[mysqld]\\nlower_case_table_names=1\\nbind-address=0.0.0.0\\n' | sudo tee " + SETTINGS_FILE,
  "sudo systemctl restart mariadb",
];
const OPEN_UFW = "sudo ufw allow 3306/tcp";

// Return what is known of a backup's races and files. For the page's own it is in the data. For another one, the names
// of its files follow from its time, but for an older dump's: `dump` is undefined then, and null if there is none.
function filesOf(batch, { data, day }) {
  if (batch.isOwn) return { races: data.batch.races, raceList: data.batch.race_list.dump, results: data.batch.results };
  const named = (stem, ending) => stem + "_" + batch.name.replace("/", "_").slice(0, 19) + ending;
  const races = day.races.filter((race) => batch.states.has(race.key)).map((race) => {
    const state = batch.states.get(race.key);
    const isNamed = race.stem !== "" && !state.isOlder;
    return {
      ...race,
      ...state,
      name_id: nameId(race.key, data),
      dump: isNamed ? named(race.stem, ".dump.sql") : undefined,
      meosxml: !state.hasMeosxml ? null : isNamed ? named(race.stem, ".meosxml") : undefined,
    };
  });
  return { races, raceList: named("meosmain", ".dump.sql"), results: null };
}

function nameId(key, data) {
  const known = data.batch.races.find((race) => race.key === key);
  return known ? known.name_id : key.split("=").pop();
}

// Return the drive that the page was opened from, and its system; null if it wasn't opened from one.
function driveOfPage() {
  if (location.protocol !== "file:" || location.host) return null;
  const found = /^(.*)\/meosbackup\/(\d{4}-\d\d-\d\d\/[\d_-]+\/)?[^/]+$/.exec(plainPath());
  if (!found) return null;
  const isWindows = /^\/[A-Za-z]:/.test(found[1]);
  return isWindows ? ["windows", found[1].slice(1).replace(/\//g, "\\")] : ["linux", found[1] || "/"];
}

function plainPath() {
  try {
    return decodeURIComponent(location.pathname);
  } catch (error) {
    return "";
  }
}

// Return what the reader typed as the drive, without what doesn't belong to it.
function cleanDrive(text, system) {
  const plain = text.replace(/["\x00-\x1f]/g, "").trim().replace(/(.)[\\/]+$/, "$1").replace(/[\\/]meosbackup$/, "");
  return system === "windows" && /^[A-Za-z]$/.test(plain) ? plain + ":" : plain;
}

// Return the path of a file or a folder below meosbackup's on the drive.
function drivePath(drive, system, path) {
  const whole = drive + "/meosbackup/" + path;
  return system === "windows" ? whole.replace(/\//g, "\\") : whole.replace(/^\/\//, "/");
}

// pushd also changes the drive, in cmd as in PowerShell.
function openFolder(drive, system, batch) {
  const path = drivePath(drive, system, batch.name);
  return system === "windows" ? `pushd "${path}"` : "cd " + quotedForShell(path);
}

function quotedForShell(text) {
  return "'" + text.replace(/'/g, "'\\''") + "'";
}

function loadFile(file, data) {
  return data.commands.load.replace("{}", file);
}

function makeUser(password, data) {
  return data.commands.make_user.replace("PASSWORD", password || "PASSWORD");
}

// Return a line for meosbackup itself; the same for cmd, PowerShell and a shell, unless the drive's name is unusual.
function toolLine(command, { drive, system, batch, race }) {
  const target = /^[\w:./\\-]+$/.test(drive) ? drive : system === "windows" ? `"${drive}"` : quotedForShell(drive);
  const words = ["meosbackup", command, "--target", target];
  if (batch) words.push("--batch", `"${whenText(batch)}"`);
  if (race) words.push("--race", raceWord(race));
  return words.filter(Boolean).join(" ");
}

// Return a batch's time as `meosbackup list` prints it.
function whenText(batch) {
  const [day, time] = batch.name.split("/");
  return day + " " + time.replace(/-/g, ":");
}

// A NameId with other letters than MeOS's own might mean something to a shell: the reader has to name the race then.
function raceWord(race) {
  return /^\w[\w-]*$/.test(race.name_id) ? race.name_id : "NAME";
}
