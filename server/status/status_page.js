// Draws the status page: asks for status.json once a second and shows it, with what it has seen in the last two minutes.
// Names and messages come from models, files and clients: they go into textContent and nowhere else.
"use strict";

const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const POINTS = 120;
const WINDOW_SECONDS = 120;
const GAP_SECONDS = 5;       // points further apart are not joined
const AVERAGE_SECONDS = 10;  // for what a second has too few of
const SOURCES = ["hwmon", "xrt", "rapl", "model"];  // what is measured before what is estimated

// ---- Numbers as people read them.
const DASH = "–";
const decimals = (value, digits) =>
  value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
const count = (value) => Math.round(value).toLocaleString("en");

function quantity(value) {
  if (value === null) return DASH;
  return decimals(value, value > 0 && value < 10 ? 1 : 0);
}

function scaled(value, steps) {
  if (value === null) return DASH;
  const [factor, unit] = steps.find(([least]) => value >= least) || steps[steps.length - 1];
  const number = value / factor;
  return `${decimals(number, number === 0 || number >= 100 ? 0 : number >= 10 ? 1 : 2)} ${unit}`;
}
const time = (seconds) => scaled(seconds, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]]);
// Of bounds, which have few digits.
function bound(seconds) {
  const [factor, unit] = seconds >= 1 ? [1, "s"] : seconds >= 1e-3 ? [1e3, "ms"] : [1e6, "µs"];
  return `${Number((factor * seconds).toPrecision(3))} ${unit}`;
}
const power = (watts) => scaled(watts, [[1, "W"], [1e-3, "mW"]]);
const energy = (joules) => scaled(joules, [[1e6, "MJ"], [1e3, "kJ"], [1, "J"], [1e-3, "mJ"], [1e-6, "µJ"]]);
const bytes = (size) => scaled(size, [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]]);
const percent = (share) => (share === null ? DASH : `${Math.round(100 * share)} %`);

function age(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  const parts = [];
  let rest = seconds >= 1 ? seconds : 0;
  for (const [unit, size] of seconds >= 1 ? units.slice(first, first + 2) : [["s", 1]]) {
    parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest %= size;
  }
  return parts.join(" ");
}

const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString("en-GB");

// ---- Elements.
function field(element, name) {
  return element.querySelector(`[data-field="${name}"]`);
}

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function badge(element, text, kind) {
  say(element, text);
  element.className = `badge ${kind}`;
}

// The last two minutes of a figure, and how to draw them.
class Series {
  constructor() {
    this.points = [];
  }

  // null where there is nothing to tell: the line has a gap there.
  add(seconds, value) {
    this.points.push({seconds, value});
    if (this.points.length > POINTS) this.points.shift();
  }

  peak() {
    return this.points.reduce((most, {value}) => (value !== null && (most === null || value > most) ? value : most), null);
  }

  // `full` is the value at the top; the peak without it.
  draw(svg, full) {
    const newest = this.points[this.points.length - 1];
    const top = full || this.peak() || 1;
    const runs = [];
    let last = null;
    for (const {seconds, value} of this.points) {
      const x = 120 * (1 - (newest.seconds - seconds) / WINDOW_SECONDS);
      const joined = last !== null && seconds - last < GAP_SECONDS;
      if (value !== null && x >= 0) {
        if (!joined) runs.push([]);
        runs[runs.length - 1].push([x.toFixed(2), (31 - 30 * Math.min(1, value / top)).toFixed(2)]);
        last = seconds;
      } else {
        last = null;
      }
    }
    const line = runs.map((run) => "M" + run.map((point) => point.join(" ")).join("L") + (run.length === 1 ? "h0.01" : ""));
    const area = runs.map((run) => `M${run[0][0]} 32L${run.map((point) => point.join(" ")).join("L")}L${run[run.length - 1][0]} 32Z`);
    svg.querySelector(".line").setAttribute("d", line.join(""));
    svg.querySelector(".area").setAttribute("d", area.join(""));
  }
}

// A list whose items stay the same elements from one look to the next. `update(element, item, state)` fills one; what it
// puts into `state` goes with the element.
class Rows {
  constructor(list, template, update) {
    this.list = document.getElementById(list);
    this.template = document.getElementById(template);
    this.update = update;
    this.rows = new Map();
  }

  show(items, key) {
    const keys = items.map(key);
    for (const [name, row] of this.rows) {
      if (keys.includes(name)) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    items.forEach((item, i) => {
      let row = this.rows.get(keys[i]);
      if (row === undefined) {
        row = {element: this.template.content.firstElementChild.cloneNode(true), state: {}};
        this.rows.set(keys[i], row);
      }
      if (this.list.children[i] !== row.element) this.list.insertBefore(row.element, this.list.children[i] || null);
      this.update(row.element, item, row.state);
    });
  }

  clear() {
    this.show([], () => "");
  }
}

// ---- Counters: what they did since the last look, and in the last seconds.
const sum = (items, of) => items.reduce((total, item) => total + of(item), 0);
// null where one of them is not known.
const sumIfKnown = (items, of) =>
  items.reduce((total, item) => (total === null || of(item) === undefined || of(item) === null ? null : total + of(item)), 0);
const failures = (backend) => sum(Object.values(backend.failures), (n) => n);
const answers = (backend) => backend.latency.within[backend.latency.within.length - 1] || 0;

// The counters of one thing over time. A counter that fell began anew, and sums of other things are other counters: such
// a look has no rate. `of` names the things that are summed.
class Counters {
  constructor() {
    this.looks = [];
    this.of = "";
  }

  add(seconds, values, of = "") {
    const last = this.looks[this.looks.length - 1];
    const fell = last && Object.keys(values).some((name) => values[name] < last.values[name]);
    if (fell || of !== this.of) this.looks = [];
    this.of = of;
    this.looks.push({seconds, values});
    while (this.looks.length > 2 && seconds - this.looks[1].seconds >= AVERAGE_SECONDS) this.looks.shift();
  }

  // Since the last look, or over the last AVERAGE_SECONDS.
  change(name, averaged) {
    const before = this.looks[averaged ? 0 : this.looks.length - 2];
    const now = this.looks[this.looks.length - 1];
    if (before === undefined || before === now) return null;
    return {by: now.values[name] - before.values[name], seconds: now.seconds - before.seconds};
  }

  rate(name, averaged = false) {
    const change = this.change(name, averaged);
    return change && change.seconds > 0 ? change.by / change.seconds : null;
  }

  // The change of one for each of another.
  ratio(name, other, averaged = false) {
    const [over, under] = [this.change(name, averaged), this.change(other, averaged)];
    return over && under && under.by > 0 ? over.by / under.by : null;
  }
}

function figuresOf(backends) {
  return {
    images: sum(backends, (b) => b.images),
    requests: sum(backends, (b) => b.requests),
    failures: sum(backends, failures),
    seconds: sum(backends, (b) => b.latency.seconds),
    answers: sum(backends, answers),
  };
}

function within(backends, bounds) {
  const names = {};
  for (let i = 0; i <= bounds.length; ++i) names[`within${i}`] = sum(backends, (b) => b.latency.within[i] || 0);
  return names;
}

// The least bound under which 99 of 100 answers of the last seconds were.
function tail(counters, bounds) {
  const all = counters.change(`within${bounds.length}`, true);
  if (all === null || all.by <= 0) return "";
  for (let i = 0; i < bounds.length; ++i) {
    if (counters.change(`within${i}`, true).by >= 0.99 * all.by) return `99 % within ${bound(bounds[i])}`;
  }
  return `more than 1 % over ${bound(bounds[bounds.length - 1])}`;
}

// ---- The parts of the page.
const tiles = {};
for (const name of ["speed", "latency", "power"]) {
  tiles[name] = {element: document.getElementById(name), series: new Series()};
}
let totals = new Counters();

function tile(name, seconds, value, text, note) {
  const {element, series} = tiles[name];
  series.add(seconds, value);
  series.draw(element.querySelector("svg"));
  say(field(element, "value"), text(value));
  say(field(element, "note"), note);
  const peak = series.peak();
  say(field(element, "peak"), peak === null ? "" : `peak ${text(peak)}`);
}

function showTotals(status) {
  const seconds = status.server.uptime_seconds;
  const backends = status.models.flatMap((model) => model.backends);
  const bounds = status.latency_bounds_seconds;
  const summed = status.models.map((model) => [model.name, model.version, ...model.backends.map((b) => b.name)]);
  totals.add(seconds, {...figuresOf(backends), ...within(backends, bounds)}, JSON.stringify(summed));
  const failed = totals.rate("failures");
  const requests = totals.rate("requests");
  tile("speed", seconds, totals.rate("images"), quantity,
       requests === null ? "" : `${quantity(requests)} requests/s, ${failed > 0 ? quantity(failed) + " of them failed" : "none failed"}`);
  const waiting = sum(backends, (b) => b.waiting);
  tile("latency", seconds, totals.ratio("seconds", "answers"), time,
       [tail(totals, bounds), waiting > 0 ? `${count(waiting)} waiting` : "none waiting"].filter((text) => text).join(", "));

  showPower(seconds, powerGroups(status.power));
}

// Sources may measure the same thing, so the figure is one source's, what is measured before what is estimated, and the
// others stand below it.
function showPower(seconds, groups) {
  const sources = SOURCES.map((name) => ({name, groups: groups.filter((group) => group.source === name)}))
    .filter((source) => source.groups.length > 0);
  const first = sources[0];
  const title = first === undefined ? "Power" : `Power (${sourceText(first.name)})`;
  const shown = field(tiles.power.element, "title");
  if (shown.textContent !== title) tiles.power.series = new Series();
  say(shown, title);
  const lines = sources.map(({name, groups: of}) =>
    `${sourceText(name)}: ${of.map((group) => `${group.backend} ${power(group.watts)}${group.absent.length > 0 ? " (a rail is missing)" : ""}`).join(", ")}`);
  tile("power", seconds, first === undefined ? null : sumIfKnown(first.groups, (group) => group.watts), power,
       lines.join("\n") || "nothing here tells its power");
}

const models = new Rows("models", "model-row", (row, model, state) => {
  state.counters = state.counters || new Counters();
  state.speed = state.speed || new Series();
  state.latency = state.latency || new Series();
  const {seconds} = model;
  say(field(row, "name"), model.name);
  say(field(row, "version"), model.version ? `version ${model.version}` : "");
  const kinds = {READY: "good", LOADING: "warn", UNLOADING: "warn", UNAVAILABLE: "bad"};
  badge(field(row, "state"), model.state.toLowerCase(), model.reason === "unloaded" ? "" : kinds[model.state] || "");
  say(field(row, "reason"), model.reason);
  field(row, "figures").hidden = model.backends.length === 0;
  const figures = figuresOf(model.backends);
  const perBackend = Object.fromEntries(model.backends.map((b) => [`images of ${b.name}`, b.images]));
  state.counters.add(seconds, {...figures, ...perBackend});
  const speed = state.counters.rate("images");
  const latency = state.counters.ratio("seconds", "answers");
  state.speed.add(seconds, speed);
  state.latency.add(seconds, latency);
  state.speed.draw(field(row, "speed-spark"));
  state.latency.draw(field(row, "latency-spark"));
  say(field(row, "speed"), quantity(speed));
  say(field(row, "latency"), time(latency));
  say(field(row, "backends"), model.backends.map((backend) => {
    const waiting = backend.waiting > 0 ? `, ${count(backend.waiting)} waiting` : "";
    return `${backend.name} ${quantity(state.counters.rate(`images of ${backend.name}`))}/s${waiting}`;
  }).join("\n") || DASH);
  const failovers = sum(model.backends, (b) => b.failovers);
  say(field(row, "counts"), `${count(figures.images)} images\n${count(figures.requests)} requests` +
      (failovers > 0 ? `\n${count(failovers)} handed on` : ""));
  const reasons = {};
  for (const backend of model.backends) {
    for (const [reason, n] of Object.entries(backend.failures)) if (n > 0) reasons[reason] = (reasons[reason] || 0) + n;
  }
  const named = Object.entries(reasons).map(([reason, n]) => `${count(n)} ${reason.replace("_", " ")}`).join(", ");
  say(field(row, "failures"), figures.failures > 0 ? `failed: ${named}` : "");
});

// A backend without devices stands for itself.
function devicesOf(status) {
  const items = [];
  for (const backend of status.backends) {
    if (backend.devices.length === 0) {
      items.push({backend, name: backend.name, busy: backend.busy_seconds, device: null});
    }
    for (const device of backend.devices) {
      items.push({backend, name: device.name, busy: device.running_seconds, device});
    }
  }
  return items.map((item) => ({...item, seconds: status.server.uptime_seconds}));
}

function hardwareText(device) {
  const lines = [];
  if (device.clock_hz) lines.push(`${count(device.clock_hz / 1e6)} MHz`);
  if (device.memory_bytes) {
    lines.push(`${bytes(device.memory_used_bytes || 0)} of ${bytes(device.memory_bytes)} used`);
  }
  return lines.join("\n");
}

function showEngine(row, engine, counters) {
  const share = counters.ratio(engine, "cycles", true);
  say(field(row, engine), percent(share));
  field(row, `${engine}-bar`).style.width = `${100 * Math.min(1, share || 0)}%`;
}

const devices = new Rows("devices", "device-row", (row, {backend, name, busy, device, seconds}, state) => {
  state.counters = state.counters || new Counters();
  state.busy = state.busy || new Series();
  say(field(row, "name"), name);
  const ready = device === null || device.ready;
  badge(field(row, "state"), ready ? "ready" : "quarantined", ready ? "good" : "bad");
  const emulated = device !== null && device.emulates ? `, emulates ${device.emulates}` : "";
  say(field(row, "kind"), (backend.runs_on.startsWith(backend.name) ? backend.runs_on : `${backend.name}: ${backend.runs_on}`) + emulated);
  say(field(row, "reason"), device === null ? "" : device.why);
  const cycles = device === null ? {} : {cycles: device.cycles, dsp: device.dsp_busy_cycles, lut: device.lut_busy_cycles, runs: device.runs};
  state.counters.add(seconds, {busy, ...cycles});
  const share = state.counters.rate("busy");
  state.busy.add(seconds, share);
  state.busy.draw(field(row, "busy-spark"), 1);
  say(field(row, "busy"), percent(share === null ? null : Math.min(1, share)));
  for (const cell of ["engines", "hardware-cell", "health-cell"]) field(row, cell).hidden = device === null;
  if (device === null) return;
  showEngine(row, "dsp", state.counters);
  showEngine(row, "lut", state.counters);
  const hardware = hardwareText(device);
  field(row, "hardware-cell").hidden = hardware === "";
  say(field(row, "hardware"), hardware);
  const times = device.quarantines === 1 ? "once" : `${count(device.quarantines)} times`;
  say(field(row, "health"), `${count(device.runs)} batches\n${device.quarantines > 0 ? "quarantined " + times : "never quarantined"}` +
      (backend.verified > 0 ? `\n${count(backend.verified)} answers of ${backend.name} verified` : ""));
  say(field(row, "mismatches"), backend.mismatches > 0 ? `${count(backend.mismatches)} of these wrong` : "");
});

// The rails that one source tells of one backend. While one of them has no reading there are no sums: a part of one would
// look like all of it.
function powerGroups(rails) {
  const groups = new Map();
  for (const rail of rails) {
    const key = JSON.stringify([rail.backend, rail.source]);
    const group = groups.get(key) || {key, backend: rail.backend, source: rail.source, rails: []};
    group.rails.push({...rail, name: [rail.device, rail.rail].filter((text) => text).join(" ")});
    groups.set(key, group);
  }
  const order = (a, b) => a.backend.localeCompare(b.backend) || SOURCES.indexOf(a.source) - SOURCES.indexOf(b.source);
  return [...groups.values()].sort(order).map((group) => {
    const [present, absent] = [true, false].map((there) => group.rails.filter((rail) => rail.present === there));
    const total = (of) => (absent.length > 0 ? null : sumIfKnown(present, of));
    return {...group, names: present.map((rail) => rail.name), absent: absent.map((rail) => rail.name),
            watts: total((rail) => rail.watts), idle: total((rail) => rail.idle_watts), joules: total((rail) => rail.joules)};
  });
}

const sourceText = (source) => (source === "model" ? "estimated" : source);

const energies = new Rows("energy", "energy-row", (row, group, state) => {
  state.counters = state.counters || new Counters();
  state.watts = state.watts || new Series();
  say(field(row, "name"), group.backend);
  say(field(row, "source"), [group.source === "model" ? "estimated by model" : "measured by " + group.source, group.names.join(", ")]
    .filter((text) => text).join(": "));
  say(field(row, "reason"), group.absent.length > 0 ? `no reading of ${group.absent.join(", ")} any more; no sums without it` : "");
  state.counters.add(group.seconds, {joules: group.joules || 0, images: group.images}, JSON.stringify([group.names, group.absent]));
  state.watts.add(group.seconds, group.watts);
  state.watts.draw(field(row, "watts-spark"));
  say(field(row, "watts"), power(group.watts));
  say(field(row, "joules-per-image"), energy(group.joules === null ? null : state.counters.ratio("joules", "images", true)));
  say(field(row, "idle"), power(group.idle));
  say(field(row, "joules"), energy(group.joules));
});

function showEnergy(status) {
  const groups = powerGroups(status.power);
  const backends = status.models.flatMap((model) => model.backends);
  for (const group of groups) {
    group.seconds = status.server.uptime_seconds;
    group.images = sum(backends.filter((b) => b.name === group.backend), (b) => b.images);
  }
  document.getElementById("energy-section").hidden = groups.length === 0;
  energies.show(groups, (group) => group.key);
}

const log = new Rows("log", "log-line", (row, line) => {
  const when = new Date(1000 * line.time);
  const shown = field(row, "time");
  const today = when.toDateString() === new Date().toDateString();
  say(shown, (today ? "" : when.toLocaleDateString("en-GB", {day: "numeric", month: "short"}) + " ") + clock(line.time));
  shown.dateTime = when.toISOString();
  shown.title = when.toISOString();
  badge(field(row, "level"), line.level, line.level === "error" ? "bad" : "warn");
  say(field(row, "message"), line.message);
  say(field(row, "count"), line.count > 1 ? `× ${count(line.count)}` : "");
});

function showServer(server) {
  say(document.getElementById("server"), `${server.name} ${server.version}, up ${age(server.uptime_seconds)}`);
  const readiness = document.getElementById("readiness");
  badge(field(readiness, "state"), server.ready ? "ready" : "not ready", server.ready ? "good" : "bad");
  say(field(readiness, "why"), server.why);
  document.title = `${server.name}: ${server.ready ? "ready" : "not ready"}`;
}

let shownStart = null;  // of the daemon that is shown

function show(status) {
  if (shownStart !== status.server.started) {  // another process: its counters have nothing to do with those before
    shownStart = status.server.started;
    totals = new Counters();
    for (const one of Object.values(tiles)) one.series = new Series();
    for (const rows of [models, devices, energies, log]) rows.clear();
  }
  showServer(status.server);
  showTotals(status);
  const seconds = status.server.uptime_seconds;
  models.show(status.models.map((model) => ({...model, seconds})), (model) => JSON.stringify([model.name, model.version]));
  document.getElementById("no-models").hidden = status.models.length > 0;
  devices.show(devicesOf(status), (item) => JSON.stringify([item.backend.name, item.name]));
  showEnergy(status);
  log.show(status.log, (line) => JSON.stringify([line.level, line.message]));
  document.getElementById("no-log").hidden = !status.server.details || status.log.length > 0;
  document.getElementById("withheld").hidden = status.server.details;
}

// ---- Asking.
let lastAnswer = null;  // when

function showOutage(reason) {
  const outage = document.getElementById("outage");
  const since = lastAnswer === null ? "" : ` What is shown is as of ${lastAnswer.toLocaleTimeString("en-GB")}.`;
  say(outage, `The daemon does not answer (${reason}).${since}`);
  outage.hidden = false;
  document.getElementById("main").classList.add("stale");
  badge(field(document.getElementById("readiness"), "state"), "no answer", "bad");
  say(field(document.getElementById("readiness"), "why"), "");
  document.title = "MSQ Serve: no answer";
}

// The daemon's figures, or null when it does not give them, which is shown.
async function ask() {
  let reason = "it cannot be reached";
  try {
    const answer = await fetch("status.json", {cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS)});
    reason = answer.ok ? "what it says is no status" : `it says ${answer.status}`;
    if (answer.ok) return await answer.json();
  } catch (error) {
    if (error.name === "TimeoutError") reason = "it takes too long";
  }
  showOutage(reason);
  return null;
}

async function look() {
  try {
    const status = await ask();
    if (status === null) return;
    lastAnswer = new Date();
    document.getElementById("outage").hidden = true;
    document.getElementById("main").classList.remove("stale");
    show(status);
    say(document.getElementById("updated"), `As of ${lastAnswer.toLocaleTimeString("en-GB")}; looks once a second.`);
  } finally {
    setTimeout(look, PERIOD_MS);
  }
}

look();
