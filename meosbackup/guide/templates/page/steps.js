// What to do to get back to a backup, for each way there is. RESTORE.txt says the same.
//
// `way` is what the reader chose: {data, system, drives, password, batch, race, files}; race is null for all of them.

// Return the chapters of a tab.
function chaptersFor(tab, way) {
  if (tab === "quick") return [quickChapter(way)];
  if (tab === "tool") {
    const open = way.race ? openChapter() : connectChapter(way);
    return [saveChapter(), toolChapter(way), open, againChapter(way)];
  }
  if (way.race) return [saveChapter(), raceChapter(way), openChapter()];
  return [saveChapter(), serverChapter(way), restoreChapter(way), checkChapter(way), connectChapter(way), againChapter(way)];
}

// MeOS runs on Windows, meosbackup as well as the reader on either; the other tabs are called after their systems.
function wayOn(tab, way) {
  const system = { quick: "windows", tool: way.system }[tab] || tab;
  return { ...way, system, drive: way.drives[system] };
}

function quickChapter(way) {
  const { batch, race, files } = way;
  const wanted = race ? [race] : files.races;
  const named = wanted.filter((one) => one.meosxml);
  const found = named.length ? named.flatMap((one) => [raceLine(one), command(meosFile(one, way))]) : [];
  const unnamed = wanted.some((one) => one.meosxml === undefined) ? [ownPage(way)] : [];
  const none = wanted.some((one) => one.meosxml === null && one.dump !== null)
    ? [make("p", say("quick_none")), command(toolLine("export", { ...way, batch }))]
    : [];
  return {
    title: say("tab_quick"),
    steps: [
      { id: "quick_save", text: sentence("quick_save") },
      {
        id: "quick_import",
        text: sentence("quick_import"),
        more: [...found, ...unnamed, ...none, seen(say("quick_see"))],
      },
      { id: "quick_one", text: say("quick_one") },
      { id: "quick_later", text: sentence("quick_later") },
    ],
  };
}

function meosFile(race, { batch, drive, system }) {
  return drivePath(drive, system, batch.name + "/" + race.meosxml);
}

function raceLine(race) {
  return make("p", stranger(race.name), { className: "race" });
}

// Return a link to the page in the backup's own folder, which knows all of its files.
function ownPage({ batch, base }) {
  if (base === null) return make("p", say("own_page"));
  return make("p", make("a", say("own_page"), { href: `${base}${batch.name}/RESTORE.html` }));
}

function saveChapter() {
  return {
    title: say("save"),
    steps: [
      { id: "save_file", text: sentence("save_file") },
      { id: "save_close", text: say("save_close") },
    ],
  };
}

function serverChapter(way) {
  const { data, password } = way;
  const user = makeUser(password, data);
  const isExact = data.batch.lower_case_table_names === 0;
  const install = { id: "server_any", text: say("server_any") };
  return {
    title: say("server"),
    notes: [make("b", say("server_skip")), say(isExact ? "server_names_any" : "server_names")],
    steps: way.system === "windows" ? [install, ...windowsServer(data, user)] : [install, linuxServer(user)],
  };
}

function windowsServer({ commands }, user) {
  const addresses = {
    mariadb: commands.mariadb,
    mysql: commands.mysql,
    mariadb_address: link("https://mariadb.org/download"),
    mysql_address: link("https://dev.mysql.com/downloads/mysql"),
  };
  return [
    { id: "server_install", text: sentence("server_install", addresses) },
    { id: "server_firewall", text: say("server_firewall"), more: [command(OPEN_FIREWALL), seen(say("server_ok"))] },
    {
      id: "server_user",
      text: say("server_user"),
      more: [command(`mysql -u root -p -e "${user}"`), seen([say("no_error"), " ", say("on_error")])],
    },
  ];
}

function linuxServer(user) {
  const lines = [...SET_UP_LINUX, `sudo mariadb -e "${user}"`, OPEN_UFW];
  const more = [...lines.map(command), seen([say("no_error"), " ", say("server_ufw")])];
  return { id: "server_linux", text: say("server_linux"), more };
}

function link(address) {
  return make("a", address.replace("https://", ""), { href: address, rel: "noreferrer" });
}

function openStep(way) {
  const line = openFolder(way.drive, way.system, way.batch);
  return { id: "open", text: say("open_" + way.system), more: [command(line), seen(say("open_see"))] };
}

function restoreChapter(way) {
  const { data } = way;
  const all = {
    id: "restore",
    text: say("restore_line"),
    more: [command(data.commands.restore || ""), seen([say("restore_see"), " ", say("on_error")])],
  };
  return {
    title: say("restore_all"),
    notes: [say("restore_all_means")],
    steps: [openStep(way), data.commands.restore ? all : singleLines(way)],
  };
}

// Return the step of a batch that has no line for everything.
function singleLines(way) {
  const { data, files } = way;
  const lists = files.raceList ? [make("p", say("race_list")), command(loadFile(files.raceList, data))] : [];
  const races = files.races.flatMap((race) => [raceLine(race), ...raceLines(race, way)]);
  return { id: "restore", text: say("restore_single"), more: [...lists, ...races, seen([say("no_error"), " ", say("on_error")])] };
}

// Return what brings a race's tables back; its reference tables come after them.
function raceLines(race, way) {
  const files = [race.dump, race.reference].filter((file) => typeof file === "string");
  const lines = files.map((file) => command(loadFile(file, way.data)));
  if (race.dump === null) return [make("p", say("missing"))];
  return race.dump === undefined || race.reference === undefined ? [...lines, ownPage(way)] : lines;
}

function raceChapter(way) {
  const { race, data, files } = way;
  const line = typeof race.dump === "string" ? command(loadFile(race.dump, data)) : ownPage(way);
  const reference = race.reference ? command(loadFile(race.reference, data)) : ownPage(way);
  const list = files.raceList ? [make("p", say("restore_list")), command(loadFile(files.raceList, data))] : [];
  const steps = [
    openStep(way),
    {
      id: "race " + race.key,
      text: say("restore_line"),
      more: [line, seen([say("race_see"), " ", say("on_error")])],
    },
  ];
  if (race.reference !== null) {
    steps.push({ id: "reference " + race.key, text: say("race_reference"), more: [reference] });
  }
  steps[1].more.push(...list);
  return { title: say("restore_one"), notes: [say("restore_one_means")], steps };
}

function checkChapter({ files, data }) {
  if (!data.commands.restore) return { title: say("check"), steps: [{ id: "check", text: say("check_meos") }] };
  const lines = files.results ? [make("pre", files.results.join("\n"), { className: "screen", translate: false })] : [];
  return {
    title: say("check"),
    steps: [{ id: "check", text: say("check_numbers"), more: [...lines, seen(say("check_meos"))] }],
  };
}

function connectChapter(way) {
  return {
    title: say("connect"),
    steps: [
      {
        id: "connect_address",
        text: say("connect_address"),
        more: [command(way.system === "windows" ? "ipconfig" : "hostname -I")],
      },
      {
        id: "connect_fill",
        text: [say("connect_start"), " ", sentence("connect_fill")],
        more: [connectFields(say("connect_that"), "meos", 3306), seen(say("connect_see"))],
      },
      { id: "connect_late", text: sentence("connect_late") },
    ],
  };
}

// Return what to fill in in MeOS.
function connectFields(server, user, port) {
  const fields = [
    ["meos_server", server],
    ["meos_user", make("code", user)],
    ["meos_password", say("connect_password", { user })],
    ["meos_port", make("code", String(port))],
  ];
  return make("dl", fields.flatMap(([key, value]) => [make("dt", say(key)), make("dd", value)]), { className: "fields" });
}

// One race was brought back, and MeOS knows its server.
function openChapter() {
  return {
    title: say("check"),
    steps: [
      { id: "connect_fill", text: say("connect_start"), more: [seen(say("connect_see"))] },
      { id: "connect_late", text: sentence("connect_late") },
    ],
  };
}

function againChapter(way) {
  const line = toolLine("", { drive: way.drive, system: way.system }) + " --ask-password";
  return {
    title: say("again"),
    steps: [{ id: "again", text: say("again_line"), more: [command(line), seen(say("again_see"))] }],
  };
}

function toolChapter(way) {
  const line = toolLine("restore", way) + " --ask-password";
  return {
    title: say(way.race ? "restore_one" : "restore_all"),
    notes: [say(way.race ? "restore_one_means" : "restore_all_means")],
    steps: [
      { id: "tool_server", text: say("tool_server") },
      { id: "tool_stop", text: say("tool_stop") },
      { id: "tool_line", text: say("tool_line"), more: [command(line), seen(say("tool_see"))] },
    ],
  };
}

// Return what a line that failed says, and what to do.
function troubleList(way) {
  const { commands } = way.data;
  const path =
    `set "PATH=C:\\Program Files\\MariaDB ${commands.mariadb}\\bin;` +
    `C:\\Program Files\\MySQL\\MySQL Server ${commands.mysql}\\bin;%PATH%"`;
  const isWindows = way.system === "windows";
  const packet = { option: make("code", "--max-allowed-packet=1G") };
  const version = { file: make("code", SETTINGS_FILE), line: make("code", "version=5.5.5-11.8.6-MariaDB") };
  const said = (...texts) => texts.map((text) => make("q", text, { translate: false }));
  return [
    isWindows && [said("mysql is not recognized"), say("trouble_path"), command(path)],
    !isWindows && [said("mysql: command not found"), say("trouble_alias"), command("alias mysql=mariadb")],
    isWindows && [said("The '<' operator is reserved"), say("trouble_powershell")],
    [
      said("cannot find the file", "No such file", "Failed to open file", "cannot find the path"),
      sentence("trouble_folder", { word: make("code", isWindows ? "pushd" : "cd") }),
    ],
    [said("ERROR 1045", "Access denied"), say("trouble_password")],
    [said("ERROR 1044", "ERROR 1142", "ERROR 1227"), say("trouble_denied")],
    [said("ERROR 2002", "ERROR 2003", "Can't connect"), say("trouble_connect")],
    [said("ERROR 1153", "ERROR 2006", "ERROR 2020"), sentence("trouble_big", packet)],
    [[say("trouble_other")], say("trouble_other_do")],
    [[say("trouble_refused")], sentence("trouble_refused_do", version)],
    [[say("trouble_no_races")], say("trouble_no_races_do")],
  ].filter(Boolean);
}
