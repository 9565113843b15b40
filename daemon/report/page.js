// Tables of report.html that a click on a heading sorts: all that needs a script there. It fetches nothing.
"use strict";
(() => {
  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!head.title) head.title = "sort by this column";
      head.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const key = (row) => {
          const cell = row.cells[column];
          if (!cell.classList.contains("n")) return cell.textContent.trim();
          return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
        };
        const order = (a, b) => {
          const x = key(a), y = key(b);
          if (x === null || y === null) return (x === null) - (y === null);  // absent values stay last
          const less = typeof x === "number" ? x - y : x.localeCompare(y);
          return down ? -less : less;
        };
        [...body.rows].sort(order).forEach((row) => body.append(row));
      });
    });
  }
  document.querySelectorAll("table.sortable").forEach(sortable);
})();
