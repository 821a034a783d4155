// Plots of power over time with uPlot. A plot is <div class="plot" data-series='[...]' data-points='[[t...],[..]...]'>;
// with data-group it goes on live. Without uPlot the element keeps the text that the server wrote into it.
const KEPT_S = 900;
const drawn = new Map();
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function watts(value, unit = "W") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const [factor, prefix] = size >= 1e9 ? [1e9, "G"] : size >= 1e6 ? [1e6, "M"] : size >= 1e3 ? [1e3, "k"] : [1, ""];
  const scaled = value / factor;
  const digits = prefix === "" ? 0 : Math.abs(scaled) < 10 ? 2 : 1;
  return `${scaled.toFixed(digits).replace("-", "−")} ${prefix}${unit}`;
}

function axisValues(unit) {
  return (_, ticks) => {
    const top = Math.max(...ticks.map(Math.abs));
    const [factor, prefix] = top >= 1e6 ? [1e6, "M"] : top >= 1e3 ? [1e3, "k"] : [1, ""];
    const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) / factor : 1;
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    return ticks.map((tick) => `${(tick / factor).toFixed(digits).replace("-", "−")} ${prefix}${unit}`);
  };
}

function options(element, series) {
  const unit = element.dataset.unit ?? "W";
  const ink = css("--soft"), line = css("--line");
  const font = "12px system-ui, sans-serif";
  const tickTime = (_, ticks) => ticks.map((t) => new Date(1000 * t).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }));
  return {
    width: Math.max(200, element.clientWidth),
    height: Number(element.dataset.height ?? 260),
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    hooks: { setCursor: [(plot) => { if (plot.cursor.left < 0) newest(plot); }] },
    legend: { live: true },
    scales: { x: { time: true }, y: { range: (_, low, high) => span(low, high, unit) } },
    axes: [
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, values: tickTime, space: 90 },
      { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, values: axisValues(unit), size: 74 },
    ],
    series: [
      { label: "time", value: (_, t) => (t ? new Date(1000 * t).toLocaleTimeString([], { hour12: false }) : "–") },
      ...series.map((one) => ({
        label: one.label,
        stroke: css(`--${one.tone}`),
        width: one.width ?? 2,
        dash: one.dash ?? undefined,
        fill: one.fill ? css(`--${one.tone}-fill`) : undefined,
        paths: one.step ? globalThis.uPlot.paths.stepped({ align: 1 }) : undefined,
        points: { show: false },
        spanGaps: false,
        value: (_, v) => watts(v, unit),
      })),
    ],
  };
}

function span(low, high, unit) {
  if (low === null || high === null) return [0, unit === "%" ? 100 : 1000];
  if (unit === "%") return [0, 100];
  const bottom = Math.min(0, low), top = Math.max(0, high), room = 0.12 * (top - bottom || 1000);
  return [bottom < 0 ? bottom - room : 0, top > 0 ? top + room : bottom < 0 ? 0 : 1000];
}

export function plots(within, again = false) {
  if (!globalThis.uPlot) return;
  for (const [element, kept] of drawn) {
    if (element.isConnected && !again) continue;
    kept.plot.destroy();
    kept.watch.disconnect();
    drawn.delete(element);
    if (element.isConnected) element.dataset.points = JSON.stringify(kept.data);
  }
  for (const element of within.querySelectorAll?.(".plot[data-points]") ?? []) {
    if (drawn.has(element)) continue;
    const data = JSON.parse(element.dataset.points), series = JSON.parse(element.dataset.series);
    element.replaceChildren();
    const plot = new globalThis.uPlot(options(element, series), data, element);
    newest(plot);
    const watch = new ResizeObserver(() => plot.setSize({ width: Math.max(200, element.clientWidth), height: plot.height }));
    watch.observe(element);
    drawn.set(element, { plot, data, watch });
  }
}

// The legend tells the newest values while no pointer is on the plot.
function newest(plot) {
  const last = plot.data[0].length - 1;
  if (last >= 0 && (plot.cursor.idx === null || plot.cursor.idx === undefined || plot.cursor.left < 0)) plot.setLegend({ idx: last });
}

// A new point of the stream: {t, groups: {id: [requested, allocated, delivered]}}.
export function feed(point) {
  for (const [element, kept] of drawn) {
    const name = element.dataset.group;
    if (name === undefined || !(name in point.groups)) continue;
    const [times] = kept.data;
    if (times.length && point.t <= times[times.length - 1]) continue;
    times.push(point.t);
    point.groups[name].forEach((value, index) => kept.data[index + 1].push(value));
    const keep = Number(element.dataset.keep ?? KEPT_S);
    while (times.length > 2 && times[0] < point.t - keep) kept.data.forEach((column) => column.shift());
    kept.plot.setData(kept.data);
    newest(kept.plot);
  }
}
