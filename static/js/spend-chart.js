/* What advertising cost by day, as bars. Data stand in the page as JSON; colors come from the CSS tokens; the
   tooltip is drawn on the canvas, because HTML tooltips carry style attributes, which the CSP forbids. */
const data = JSON.parse(document.getElementById("spend-chart").textContent);
const language = document.documentElement.lang || "en";
const money = new Intl.NumberFormat(language, { style: "currency", currency: data.currency, maximumFractionDigits: 0 });
const dayLabel = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });
const probe = document.createElement("i");
probe.hidden = true;
document.body.append(probe);
const color = (token) => {
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
};
const box = document.querySelector("[data-spend-chart]");
const chart = window.echarts.init(box, null, { renderer: "canvas" });
const days = data.days.map((day) => dayLabel.format(new Date(`${day}T00:00:00Z`)));
const draw = () => chart.setOption({
  animationDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 250,
  textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: color("text-3") },
  grid: { left: 4, right: 10, top: 12, bottom: 10, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
  tooltip: {
    trigger: "axis", renderMode: "richText", confine: true, backgroundColor: color("surface"), borderColor: color("line-strong"), borderWidth: 1,
    padding: 10, textStyle: { color: color("text"), fontSize: 12 }, axisPointer: { type: "none" }, valueFormatter: (value) => money.format(value),
  },
  xAxis: {
    type: "category", data: days, axisTick: { show: false }, axisLine: { lineStyle: { color: color("line-strong") } },
    axisLabel: { color: color("text-3"), interval: Math.max(0, Math.ceil(days.length / 6) - 1), alignMinLabel: "left", hideOverlap: true },
  },
  yAxis: {
    type: "value", splitNumber: 3, min: 0, splitLine: { lineStyle: { color: color("line") } },
    axisLabel: { color: color("text-3"), formatter: (value) => money.format(value) },
  },
  series: [{ name: data.names[0], type: "bar", barCategoryGap: "28%", data: data.cost, itemStyle: { color: color("c1"), borderRadius: [2, 2, 0, 0] } }],
}, true);
new ResizeObserver(() => chart.resize()).observe(box);
document.addEventListener("rapport:theme", draw);
document.fonts.ready.then(draw);
