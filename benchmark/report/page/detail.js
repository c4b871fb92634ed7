"use strict";
// One opened image: large pictures, a slider from clean to adversarial, its steps and all columns. The address names it.
{
  const dialog = document.getElementById("detail");
  const mix = document.getElementById("mix");
  let at = null;

  const place = () => page.shown.findIndex(({ entry, k }) => at && entry === at.entry && k === at.k);

  const blend = () => {
    const upper = document.querySelector("#blend img + img");
    if (upper) upper.style.opacity = String(mix.value / 100);
    mix.setAttribute("aria-valuetext", `${mix.value} % adversarial`);
  };

  const trace = () => {
    const box = document.getElementById("trace");
    const points = at && at.entry.traces[at.k];
    box.hidden = !points;
    if (points && page.draw) {
      const line = { type: "scatter", mode: "lines", x: points.step, y: points.iou, line: { color: "#0072B2" } };
      page.draw(box, [line], { xaxis: { title: { text: "step" } }, yaxis: { title: { text: "IoU" }, range: [-0.03, 1.03] } });
    }
  };

  const show = (entry, k) => {
    at = { entry, k };
    const [kind, outcome] = page.outcome(entry, k);
    document.getElementById("detail-title").textContent = `${entry.ids[k]} · ${entry.name}`;
    document.getElementById("detail-outcome").replaceChildren(page.make("span", { className: kind, textContent: outcome }));
    document.getElementById("permalink").href = page.address(entry, k);
    document.getElementById("panels").replaceChildren(...page.panels(entry, k, true));
    const layers = ["clean", "adversarial"].map((name) => ({ sources: page.sources(entry, k, name, true) }));
    document.getElementById("blend").replaceChildren(...page.stack(layers).children);
    mix.value = 0;
    blend();
    const names = ["id", ...Object.keys(entry.columns)];
    document.getElementById("columns").replaceChildren(...names.map((name) => page.make("tr", {},
      page.make("th", { scope: "row", textContent: name }),
      page.make("td", { textContent: page.text(page.value(entry, name, k)) }))));
    const index = place();
    document.getElementById("before").disabled = index <= 0;
    document.getElementById("after").disabled = index < 0 || index >= page.shown.length - 1;
    if (!dialog.open) dialog.showModal();
    document.getElementById("detail-title").focus();
    trace();
  };

  const follow = () => {
    const [, name, id] = location.hash.match(/^#image\/([^/]*)\/(.*)$/) || [];
    const entry = name !== undefined && page.data.entries.find((one) => encodeURIComponent(one.name) === name);
    const k = entry ? entry.ids.findIndex((one) => encodeURIComponent(one) === id) : -1;
    if (k >= 0) show(entry, k);
    else if (dialog.open) dialog.close();
  };

  const move = (by) => {
    const next = page.shown[place() + by];
    if (next) location.replace(page.address(next.entry, next.k));
  };

  document.getElementById("before").addEventListener("click", () => move(-1));
  document.getElementById("after").addEventListener("click", () => move(1));
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.target === mix || event.target.closest(".scroll")) return;
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  });
  dialog.addEventListener("close", () => {
    const back = at;
    history.replaceState(null, "", location.pathname + location.search);
    if (back) {
      const link = [...document.querySelectorAll("#cards a")].find((one) =>
        one.getAttribute("href") === page.address(back.entry, back.k));
      if (link) link.focus();
    }
  });
  mix.addEventListener("input", blend);
  addEventListener("hashchange", follow);
  page.traceNow = trace;
  follow();
}
