"use strict";
// Clicking a heading sorts its table.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const numeric = heading.classList.contains("number");
    const value = (row) => {
      const raw = row.cells[index].dataset.value;
      return raw === "" ? null : numeric ? Number(raw) : raw;
    };
    heading.querySelector("button").addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => page.compare(value(a), value(b), ascending ? 1 : -1));
      body.append(...rows);
    });
  });
}
