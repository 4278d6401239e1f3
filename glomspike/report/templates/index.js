"use strict";
// Sorting of the table by its headings, and the page's settings. Without it the slides stand in their order.

const body = document.querySelector("#slides tbody");
const headings = [...document.querySelectorAll("#slides thead th")];

// What a slide has no value for, as a failed one has few, comes last in either direction.
function comparison(column, direction) {
  const value = (row) => row.cells[column]?.dataset.value ?? "";
  const numeric = [...body.rows].every((row) => !Number.isNaN(Number(value(row))));
  return (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return direction * (numeric ? x - y : x.localeCompare(y, "en", { numeric: true }));
  };
}

headings.forEach((heading, column) => {
  heading.querySelector("button")?.addEventListener("click", () => {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...[...body.rows].sort(comparison(column, ascending ? 1 : -1)));
  });
});

const theme = document.getElementById("theme");
theme.addEventListener("change", () => { document.documentElement.dataset.theme = theme.value; });
document.getElementById("print").addEventListener("click", () => window.print());
document.getElementById("page-settings").hidden = false;
