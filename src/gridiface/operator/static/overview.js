"use strict";
// Asks the server once a second and shows the answer. No library, nothing from outside.
const kept = 120, samples = [];
const element = (id) => document.getElementById(id);
const kilowatts = (w) => (w === null || w === undefined ? "–" : (w / 1000).toFixed(2));
const percent = (x) => (x === null || x === undefined ? "–" : (100 * x).toFixed(1));
const time = (t) => (t === null ? "open" : new Date(t * 1000).toLocaleTimeString());

const link = (kind, id, text) => ({ href: `/${kind}/${encodeURIComponent(id)}`, text });

function rows(body, table) {
  const fresh = document.createDocumentFragment();
  for (const row of table) {
    const line = document.createElement("tr");
    row.forEach((text, column) => {
      const cell = document.createElement(column === 0 ? "th" : "td");
      if (column === 0) cell.scope = "row";
      if (text !== null && text.href) {
        const link = document.createElement("a");
        link.href = text.href;
        link.textContent = text.text;
        cell.append(link);
      } else cell.textContent = text;
      line.append(cell);
    });
    fresh.append(line);
  }
  element(body).replaceChildren(fresh);
}

function asks(values) {
  return Object.entries(values).map(([mode, value]) =>
    mode.endsWith("_w") || mode.endsWith("limit") ? `${mode} ${kilowatts(value)} kW` : `${mode} ${value}`).join(", ");
}

function outermost(groups) {
  return groups.filter((group) => group.parent === null);
}

function sum(groups, key) {
  const known = groups.map((group) => group[key]).filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

function draw() {
  const svg = element("plot"), names = ["requested", "allocated", "delivered"];
  const values = samples.flatMap((point) => names.map((name) => point[name])).filter((value) => value !== null);
  if (!values.length) return;
  const high = 1.1 * Math.max(1000, ...values), low = 1.1 * Math.min(0, ...values), span = high - low || 1;
  const x = (index) => 60 + (index * 730) / (kept - 1), y = (value) => 10 + (200 * (high - value)) / span;
  const make = (kind, attributes, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    return node;
  };
  const parts = [high, (high + low) / 2, low].flatMap((value) => [
    make("line", { x1: 60, x2: 790, y1: y(value), y2: y(value), class: "grid" }),
    make("text", { x: 54, y: y(value) + 4, class: "axis" }, kilowatts(value) + " kW")]);
  for (const name of names) {
    const path = samples.map((point, index) => (point[name] === null ? null : `${x(index).toFixed(1)},${y(point[name]).toFixed(1)}`));
    let run = [];
    for (const at of [...path, null]) {
      if (at) { run.push(at); continue; }
      if (run.length) parts.push(make("polyline", { points: run.join(" "), class: name }));
      run = [];
    }
  }
  svg.replaceChildren(...parts);
}

async function refresh() {
  try {
    const [status, devices] = await Promise.all(["/api/v1/status", "/api/v1/devices?limit=200"].map(async (url) => (await fetch(url)).json()));
    element("online").textContent = status.devices.online;
    element("total").textContent = status.devices.total;
    element("clock").textContent = time(status.now);
    rows("groups", status.groups.map((g) => [g.name || g.id, g.devices, kilowatts(g.requested_W), kilowatts(g.allocated_W), kilowatts(g.delivered_W), percent(g.soc)]));
    rows("controls", status.controls.map((c) => [link("controls", c.id, c.description || c.id.slice(0, 12)), c.target, asks(c.values), time(c.start), time(c.end), c.state, c.responses.received, c.responses.started, c.responses.completed]));
    rows("devices", devices.devices.map((d) => [link("devices", d.id, d.name || d.id), d.driver, kilowatts(d.setpoint_W), kilowatts(d.delivered_W), percent(d.soc), d.quality || "none yet"]));
    rows("outcomes", status.outcomes.slice(0, 40).map((o) => [time(o.at), o.device ? link("devices", o.device, o.device) : "all", o.step, link("controls", o.control, o.control.slice(0, 12)), o.reason]));
    const tops = outermost(status.groups);
    samples.push({ requested: sum(tops, "requested_W"), allocated: sum(tops, "allocated_W"), delivered: sum(tops, "delivered_W") });
    if (samples.length > kept) samples.shift();
    draw();
  } catch (problem) {
    element("clock").textContent = "the server does not answer";
  }
  setTimeout(refresh, 1000);
}
refresh();
