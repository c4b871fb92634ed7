"use strict";
// The figures in the colours of the theme, drawn again when it changes.
{
  const drawn = new Map();

  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
    const axis = { gridcolor: line, linecolor: line, zeroline: false, automargin: true };
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, family: "system-ui, sans-serif", size: 13 },
      margin: { l: 56, r: 12, t: 8, b: 48 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
      xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
    };
  };

  // The darkest line colour is invisible on a dark page.
  const visible = (data) => (page.dark ? JSON.parse(JSON.stringify(data).replaceAll("#222222", "#e8ebee")) : data);

  page.draw = (box, data, layout) => {
    drawn.set(box, [data, layout]);
    // Room for the legend above the lines, or for each box.
    const named = data.filter((trace) => trace.name && trace.showlegend !== false).length;
    const boxes = data.filter((trace) => trace.type === "box").length;
    const across = Math.max(1, Math.floor(box.clientWidth / 300));
    if (boxes) box.style.height = `${6 + 2.6 * boxes}rem`;
    else if (named > 1) box.style.height = `${20 + 1.4 * Math.ceil(named / across)}rem`;
    Plotly.react(box, visible(data), themed(layout), { displaylogo: false, responsive: true });
  };

  const plots = new Map(page.data.plots.map((plot) => [plot.key, plot]));
  const watcher = new IntersectionObserver((changes) => {
    for (const { isIntersecting, target } of changes) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      const plot = plots.get(target.dataset.plot);
      page.draw(target, plot.data, plot.layout);
    }
  }, { rootMargin: "400px" });
  const boxes = [...document.querySelectorAll("[data-plot]")];
  boxes.forEach((box) => watcher.observe(box));
  addEventListener("beforeprint", () => {
    for (const box of boxes.filter((one) => !drawn.has(one))) {
      const plot = plots.get(box.dataset.plot);
      page.draw(box, plot.data, plot.layout);
    }
  });
  page.themed.push(() => drawn.forEach(([data, layout], box) => page.draw(box, data, layout)));
  if (page.scatter) page.scatter();
  page.traceNow();
}
