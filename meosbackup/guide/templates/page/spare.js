// The spare server: what it has, how to go on there, and how to go back. RESTORE.txt says the same.

// Draw what stands first of all if the spare server has the races; `way` is {data, system, drives}.
function drawSpare(element, way) {
  const { spare, batch } = way.data;
  element.hidden = spare === null || spare.as_of === null;
  if (element.hidden) return;
  if (!element.firstChild) element.append(make("h2"), make("div"), make("div"));
  const [title, without, how] = element.children;
  title.textContent = spareText(spare, batch.taken);
  without.replaceChildren(...withoutElements(spare));
  const drive = way.drives[way.system];
  drawIfNew(how, [spare.as_race_server, spare.as_spare_server, spare.user, drive], (list) => {
    const fields = connectFields(make("code", spare.host), spare.user, spare.port);
    list.append(make("p", sentence("connect_fill")), fields, ...spareWays(spare, toolLine("", { drive, system: way.system })));
  });
}

function spareText(spare, near) {
  const key = spare.as_of === null ? "spare_not_ready" : "spare_held";
  return say(key, { host: spare.host, time: spare.as_of === null ? "" : nearText(spare.as_of, near) });
}

function withoutElements({ without }) {
  return without.length ? [make("p", sentence("spare_without", { races: stranger(without.join(", ")) }), { className: "warn" })] : [];
}

// Return how to go on with the spare server, and how to go back. `tool` begins a line for meosbackup.
function spareWays(spare, tool) {
  const line = (...options) => command([tool, ...options, "--ask-password"].join(" "));
  const over = [
    [sentence("save_file"), " ", say("save_close")],
    [say("connect_start"), " ", say("spare_connect"), seen(say("connect_see"))],
    [sentence("connect_late")],
    [say("tool_stop")],
    [say("spare_line"), line(spare.as_race_server), seen(say("again_see"))],
  ];
  const back = [
    [say("spare_back_line"), line(spare.as_race_server, "--standby OLD", "--adopt-standby")],
    [say("spare_back_wait")],
    [sentence("save_file"), " ", say("save_close")],
    [say("spare_back_last")],
    [say("spare_back_connect"), line("--host OLD", spare.as_spare_server, "--adopt-standby")],
  ];
  return [["spare_over", over], ["spare_back", back]].map(([key, steps]) => {
    const list = make("ol", steps.map((step) => make("li", step)));
    return make("details", [make("summary", say(key)), list]);
  });
}
