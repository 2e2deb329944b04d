/* ECharts in Rapport's dress. Colors come from the CSS tokens; tooltips are drawn on the canvas ("richText"),
   because HTML tooltips carry style attributes, which the CSP forbids. Data stand in the page as JSON. */
const data = JSON.parse(document.getElementById("charts").textContent);
const language = document.documentElement.lang || "en";
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const amount = new Intl.NumberFormat(language, { style: "currency", currency: data.currency, maximumFractionDigits: 0 });
const dayLabel = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });

const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);
const color = (token) => {
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
};
const isDark = () => document.documentElement.dataset.bsTheme === "dark";
const days = data.days.map((day) => dayLabel.format(new Date(`${day}T00:00:00Z`)));

const tooltip = (format) => ({
  trigger: "axis", renderMode: "richText", confine: true, backgroundColor: color("surface"), borderColor: color("line-strong"), borderWidth: 1,
  padding: 10, textStyle: { color: color("text"), fontSize: 12 }, axisPointer: { type: "line", lineStyle: { color: color("line-strong") } },
  valueFormatter: (value) => (value === null || value === undefined ? "–" : format(value)),
});
const base = (format = (value) => whole.format(value)) => ({
  animationDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250,
  textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: color("text-3") },
  grid: { left: 4, right: 10, top: 12, bottom: 10, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
  tooltip: tooltip(format),
});
const dayAxis = (more) => ({
  type: "category", data: days, boundaryGap: false, axisTick: { show: false }, axisLine: { lineStyle: { color: color("line-strong") } },
  axisLabel: { color: color("text-3"), interval: Math.max(0, Math.ceil(days.length / 4) - 1), alignMinLabel: "left", hideOverlap: true }, ...more,
});
const valueAxis = (more) => ({
  type: "value", splitNumber: 3, min: 0, splitLine: { lineStyle: { color: color("line") } },
  axisLabel: { color: color("text-3"), formatter: (value) => whole.format(value) }, ...more,
});
const line = (name, values, token, more) => ({
  name, type: "line", data: values, symbol: "none", connectNulls: true, lineStyle: { width: 2, color: color(token) }, itemStyle: { color: color(token) }, ...more,
});
const past = (name, values) => line(name, values, "c-past", { lineStyle: { width: 1.5, type: [4, 4], color: color("c-past") } });
const noPointer = (format) => ({ ...tooltip(format), axisPointer: { type: "none" } });

const charts = {
  volume: () => ({ ...base(), xAxis: dayAxis(), yAxis: valueAxis(), series: [past("Before", data.volume.before), line("This period", data.volume.now, "c1")] }),
  response: () => ({
    ...base((value) => `${whole.format(value)} min`), xAxis: dayAxis(), yAxis: valueAxis(),
    series: [past("Before", data.response.before), line("This period", data.response.now, "c1")],
  }),
  sentiment: () => ({
    ...base(), tooltip: { ...tooltip((value) => `${whole.format(Math.abs(value))}%`), axisPointer: { type: "none" } },
    xAxis: dayAxis({ boundaryGap: true, axisLine: { onZero: true, lineStyle: { color: color("line-strong") } } }),
    yAxis: valueAxis({ min: null, axisLabel: { color: color("text-3"), formatter: (value) => (value ? `${Math.abs(value)}%` : "0") } }),
    series: [
      { name: "Happy", type: "bar", stack: "mood", barCategoryGap: "28%", data: data.sentiment.happy, itemStyle: { color: color("c1"), borderRadius: [2, 2, 0, 0] } },
      { name: "Unhappy", type: "bar", stack: "mood", data: data.sentiment.unhappy.map((value) => (value === null ? null : -value)), itemStyle: { color: color("c6"), borderRadius: [0, 0, 2, 2] } },
    ],
  }),
  size: () => ({ ...base(), xAxis: dayAxis(), yAxis: valueAxis(), series: [line(data.size.name, data.size.values, "c1")] }),
  moves: () => ({
    ...base(), tooltip: { ...tooltip((value) => whole.format(Math.abs(value))), axisPointer: { type: "none" } },
    xAxis: dayAxis({ boundaryGap: true, axisLine: { onZero: true, lineStyle: { color: color("line-strong") } } }),
    yAxis: valueAxis({ min: null, minInterval: 1, axisLabel: { color: color("text-3"), formatter: (value) => whole.format(Math.abs(value)) } }),
    series: [
      { name: data.moves.names[0], type: "bar", stack: "moves", barMaxWidth: 24, data: data.moves.entered, itemStyle: { color: color("c1"), borderRadius: [2, 2, 0, 0] } },
      { name: data.moves.names[1], type: "bar", stack: "moves", barMaxWidth: 24, data: data.moves.left.map((value) => -value), itemStyle: { color: color("c6"), borderRadius: [0, 0, 2, 2] } },
    ],
  }),
  received: () => ({
    ...base(), xAxis: dayAxis({ boundaryGap: true }), yAxis: valueAxis(),
    series: [
      { name: data.received.names[0], type: "bar", barCategoryGap: "35%", data: data.received.here, itemStyle: { color: color("c1"), borderRadius: [2, 2, 0, 0] } },
      {
        name: data.received.names[1], type: "line", data: data.received.theirs, symbol: "circle", symbolSize: 6, connectNulls: false,
        lineStyle: { width: 1.5, type: [4, 4], color: color("c6") }, itemStyle: { color: color("c6") },
      },
    ],
  }),
  shares: () => {
    const rows = data.hasBefore ? ["Before", "Now"] : ["Now"];
    const light = (tone) => tone === 2 || tone === 4 || isDark();
    return {
      ...base(), tooltip: noPointer((value) => `${whole.format(value)}%`), xAxis: { type: "value", max: 100, show: false },
      yAxis: { type: "category", data: rows, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: color("text-2") } },
      series: data.shares.map(({ name, tone, now, before }) => ({
        name, type: "bar", stack: "share", barWidth: 52, data: data.hasBefore ? [before, now] : [now],
        itemStyle: { color: color(`c${tone}`), borderColor: color("surface"), borderWidth: 2, borderRadius: 4 },
        label: { show: true, formatter: ({ value }) => (value < 6 ? "" : `${Math.round(value)}%`), fontSize: 11, fontWeight: 600, color: light(tone) ? "#14181b" : "#ffffff" },
      })),
    };
  },
  calibration: () => {
    const { points, unit, names, axes } = data.calibration;
    const told = (value) => (unit === "share" ? `${whole.format(100 * value)}%` : unit === "money" ? amount.format(value) : whole.format(value));
    const most = Math.max(...points.map(([expected, came]) => Math.max(expected, came)), 1e-9);
    const axis = (name) => ({ ...valueAxis({ max: most, axisLabel: { color: color("text-3"), formatter: told, hideOverlap: true, showMaxLabel: false } }), name, nameLocation: "middle", nameGap: 30, nameTextStyle: { color: color("text-3") } });
    return {
      ...base(told), grid: { ...base().grid, left: 24, bottom: 24 }, tooltip: { ...tooltip(told), trigger: "item", formatter: ({ value }) => `${axes[0]} ${told(value[0])}, ${axes[1]} ${told(value[1])}` },
      xAxis: axis(axes[0]), yAxis: axis(axes[1]),
      series: [
        { ...past(names[0], [[0, 0], [most, most]]), silent: true },
        line(names[1], points.map(([expected, came]) => [expected, came]), "c1", { symbol: "circle", symbolSize: 7 }),
      ],
    };
  },
  record: () => ({
    ...base((value) => value.toPrecision(4)), xAxis: dayAxis(), yAxis: valueAxis({ axisLabel: { color: color("text-3"), formatter: (value) => String(Number(value.toPrecision(3))) } }),
    series: [past(data.record.names[0], data.record.baseline), line(data.record.names[1], data.record.model, "c1", { symbol: "circle", symbolSize: 6 })],
  }),
  revenue: () => ({
    ...base(), tooltip: noPointer((value) => amount.format(value)), grid: { ...base().grid, right: 64 }, xAxis: { type: "value", show: false },
    yAxis: {
      type: "category", inverse: true, data: data.revenue.map(({ name }) => name), axisLine: { show: false }, axisTick: { show: false },
      axisLabel: { color: color("text-2"), width: 130, overflow: "truncate" },
    },
    series: [
      {
        name: "This period", type: "bar", barWidth: 11, barGap: "18%", data: data.revenue.map(({ now }) => now), itemStyle: { color: color("c1"), borderRadius: 3 },
        label: { show: true, position: "right", formatter: ({ value }) => amount.format(value), color: color("text"), fontWeight: 600, fontSize: 12 },
      },
      { name: "Before", type: "bar", barWidth: 7, data: data.revenue.map(({ before }) => before), itemStyle: { color: color("c-past"), borderRadius: 3 } },
    ],
  }),
};

const drawn = [...document.querySelectorAll("[data-chart]")].map((box) => ({ box, chart: window.echarts.init(box, null, { renderer: "canvas" }) }));
const draw = () => drawn.forEach(({ box, chart }) => chart.setOption(charts[box.dataset.chart](), true));
drawn.forEach(({ box, chart }) => {
  if (box.dataset.drill) chart.on("click", ({ dataIndex }) => { location.href = `${box.dataset.drill}${data.days[dataIndex]}`; });
});
const resize = new ResizeObserver(() => drawn.forEach(({ chart }) => chart.resize()));
drawn.forEach(({ box }) => resize.observe(box));
document.addEventListener("rapport:theme", draw);
document.fonts.ready.then(draw);

document.addEventListener("click", (event) => {
  const control = event.target.closest("[data-png]");
  if (!control) return;
  const found = drawn.find(({ box }) => box.dataset.chart === control.dataset.png);
  const link = document.createElement("a");
  link.href = found.chart.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: color("surface") });
  link.download = `${control.dataset.png}.png`;
  link.click();
});
