"use strict";
// Compares two attacks or runs image by image.
{
  const form = document.getElementById("pair");
  if (form) {
    const { x, y, column } = form.elements;
    const entries = page.data.entries;
    const isNumber = (value) => typeof value === "number";
    const names = page.columns().filter((name) =>
      entries.some((entry) => entry.ids.some((_, k) => isNumber(page.value(entry, name, k)))));
    page.options(x, entries.map((entry) => entry.name));
    page.options(y, entries.map((entry) => entry.name));
    page.options(column, names);
    y.value = String(entries.length - 1);
    column.value = String(Math.max(0, names.indexOf("adv8_iou_target")));

    page.scatter = () => {
      const [one, other, name] = [entries[Number(x.value)], entries[Number(y.value)], names[Number(column.value)]];
      const places = new Map(other.ids.map((id, k) => [id, k]));
      const points = one.ids
        .filter((id) => places.has(id))
        .map((id) => ({ id, x: page.value(one, name, one.ids.indexOf(id)), y: page.value(other, name, places.get(id)) }))
        .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
      const above = points.filter((point) => point.y > point.x).length;
      const below = points.filter((point) => point.y < point.x).length;
      document.getElementById("pairs").textContent =
        `${name} of ${points.length} images: ${other.name} has the larger value for ${above}, ${one.name} for ${below}.`;
      if (!page.draw) return;
      const all = points.flatMap((point) => [point.x, point.y]);
      const ends = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
      page.draw(document.getElementById("scatter-plot"), [
        { type: "scatter", mode: "lines", x: ends, y: ends, hoverinfo: "skip", showlegend: false,
          line: { color: "#8a939c", dash: "dot", width: 1 } },
        { type: "scatter", mode: "markers", x: points.map((p) => p.x), y: points.map((p) => p.y),
          text: points.map((p) => p.id), hovertemplate: "%{text}: %{x:.4g}, %{y:.4g}<extra></extra>", showlegend: false,
          marker: { color: "#0072B2", size: 8 } },
      ], { xaxis: { title: { text: one.name } }, yaxis: { title: { text: other.name } } });
    };
    form.addEventListener("change", page.scatter);
    page.scatter();
  }
}
