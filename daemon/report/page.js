// The charts of report.html and its sortable tables. Everything it shows is in #data; it fetches nothing.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const style = getComputedStyle(document.documentElement);
  const css = (name) => style.getPropertyValue(name).trim();
  const percent = (share) => (share === null || share === undefined ? null : share * 100);
  const points = ["circle", "rect", "triangle", "rectRot", "star", "cross"];

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
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
  if (typeof Chart === "undefined") return;

  Chart.defaults.color = css("--quiet");
  Chart.defaults.borderColor = css("--line");
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.maintainAspectRatio = false;
  Chart.defaults.animation = false;
  Object.assign(Chart.defaults.plugins.legend.labels, { usePointStyle: true, boxWidth: 9, boxHeight: 7, padding: 16 });

  const draw = (id, config) => {
    const canvas = document.getElementById(id);
    if (canvas) new Chart(canvas, config);
  };
  const shareAxis = (title) => ({
    title: { display: true, text: title }, min: 0, max: 100,
    ticks: { maxTicksLimit: 7, callback: (value) => value + " %" },
  });
  const last = (arm) => [...arm.rounds].reverse().find((round) => round.miou !== null);
  // An arm that has a single measurement, or the ceiling, is a level to compare with, not a course.
  const level = (arm) => arm.role === "full" || arm.rounds.filter((round) => round.miou !== null).length === 1;

  function look(arm) {
    const colour = css(arm.colour);
    const control = level(arm);
    return {
      label: arm.title, borderColor: colour, backgroundColor: colour, spanGaps: true,
      borderWidth: arm.role === "strategy" ? 3 : 2, borderDash: control ? [7, 5] : [],
      pointStyle: control ? "line" : points[data.arms.indexOf(arm) % points.length],
      pointRadius: control ? 0 : 4, pointHitRadius: 8,
    };
  }
  const tip = { callbacks: { label: (item) => ` ${item.dataset.label}: ${item.parsed.y.toFixed(1)} %` } };

  // From 0, to the next 5 % above the best: at a full scale of 100 % a difference of some points cannot be seen.
  const best = Math.max(0, ...data.arms.flatMap((arm) => arm.rounds.map((round) => percent(round.miou) ?? 0)));
  const top = Math.min(100, 5 * Math.ceil((best + 1) / 5));
  const numbers = data.arms.flatMap((arm) => arm.rounds.map((round) => round.round));
  const first = Math.min(...numbers), final = Math.max(...numbers);
  draw("chart-rounds", {
    type: "line",
    data: {
      datasets: data.arms.filter(last).map((arm) => ({
        ...look(arm),
        data: level(arm)
          ? [{ x: first, y: percent(last(arm).miou) }, { x: Math.max(final, first + 1), y: percent(last(arm).miou) }]
          : arm.rounds.map((round) => ({ x: round.round, y: percent(round.miou) })),
      })),
    },
    options: {
      interaction: { mode: "nearest", intersect: false },
      plugins: { tooltip: tip },
      scales: {
        x: { type: "linear", title: { display: true, text: "round" }, ticks: { stepSize: 1, precision: 0 } },
        y: { ...shareAxis("mIoU"), max: top },
      },
    },
  });

  function costChart(id, cost, axis, format) {
    const spending = data.arms.filter((arm) => arm.role !== "full" && arm.rounds.some((round) => cost(round) > 0));
    const most = Math.max(0, ...spending.flatMap((arm) => arm.rounds.map(cost)));
    const full = data.arms.find((arm) => arm.role === "full" && last(arm));
    const drawn = full && most > 0 ? [...spending, full] : spending;
    draw(id, {
      type: "line",
      data: {
        datasets: drawn.map((arm) => ({
          ...look(arm),
          data: arm.role === "full"
            ? [{ x: 0, y: percent(last(arm).miou) }, { x: most, y: percent(last(arm).miou) }]
            : arm.rounds.map((round) => ({ x: cost(round), y: percent(round.miou) })),
        })),
      },
      options: {
        plugins: { tooltip: tip },
        scales: {
          x: { type: "linear", title: { display: true, text: axis }, ticks: { maxTicksLimit: 7, callback: format } },
          y: { ...shareAxis("mIoU"), max: undefined },
        },
      },
    });
  }
  const short = (value, units) => {
    let unit = 0;
    while (value >= 1000 && unit + 1 < units.length) { value /= 1000; unit += 1; }
    return `${Number(value.toPrecision(3))}${units[unit]}`;
  };
  const pool = data.pool_pixels;
  costChart("chart-pixels", (round) => (pool > 0 ? (100 * round.labelled_pixels) / pool : round.labelled_pixels),
    pool > 0 ? "labelled pixels, % of the pool" : "labelled pixels",
    (value) => (pool > 0 ? `${Number(value.toPrecision(3))} %` : short(value, ["", " k", " M", " G"])));
  costChart("chart-bytes", (round) => round.bytes_sent, "bytes sent by the vehicle",
    (value) => short(value, [" B", " kB", " MB", " GB"]));

  draw("chart-classes", {
    type: "bar",
    data: {
      labels: data.classes,
      datasets: data.arms.filter(last).map((arm) => ({
        label: arm.title, backgroundColor: css(arm.colour), barPercentage: 0.95, categoryPercentage: 0.78,
        data: data.classes.map((name) => percent(last(arm).per_class_iou[name])),
      })),
    },
    options: {
      interaction: { mode: "index", intersect: false },
      plugins: { tooltip: tip, legend: { labels: { pointStyle: "rectRounded" } } },
      scales: { x: { grid: { display: false }, ticks: { autoSkip: false } }, y: shareAxis("IoU") },
    },
  });

  const stages = [...new Set(data.arms.flatMap((arm) => arm.rounds.flatMap((round) => Object.keys(round.seconds))))];
  const shades = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f8a97"];
  const spent = (arm, stage) => arm.rounds.reduce((sum, round) => sum + (round.seconds[stage] || 0), 0);
  draw("chart-time", {
    type: "bar",
    data: {
      labels: data.arms.map((arm) => arm.title),
      datasets: stages.map((stage, index) => ({
        label: stage.replaceAll("_", " "), backgroundColor: shades[index % shades.length],
        data: data.arms.map((arm) => spent(arm, stage)),
      })),
    },
    options: {
      indexAxis: "y",
      interaction: { mode: "index", axis: "y", intersect: false },
      plugins: {
        legend: { labels: { pointStyle: "rectRounded" } },
        tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${item.parsed.x.toFixed(1)} s` } },
      },
      scales: {
        x: { stacked: true, title: { display: true, text: "seconds, all rounds" } },
        y: { stacked: true, grid: { display: false } },
      },
    },
  });
})();
