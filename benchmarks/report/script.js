"use strict";
(() => {
  const arms = JSON.parse(document.getElementById("attention-data").textContent);
  const arm = document.getElementById("arm");
  const start = document.getElementById("start");
  if (!arm || !arms.length) return;
  const svg = document.getElementById("weights");
  const space = "http://www.w3.org/2000/svg";

  const fill = (select, names) => {
    select.replaceChildren(...names.map((name, i) => new Option(name, i)));
  };

  const element = (name, attributes, text = "") => {
    const made = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  const draw = () => {
    const chosen = arms[arm.value].starts[start.value];
    const alpha = chosen.alpha;
    const top = Math.max(...alpha, 1 / alpha.length) * 1.1;
    const width = 580 / alpha.length;
    const height = (value) => (190 * value) / top;
    const parts = [];
    alpha.forEach((value, t) => {
      const bar = element("rect", {
        x: 50 + t * width + width * 0.1,
        y: 205 - height(value),
        width: width * 0.8,
        height: height(value),
      });
      bar.append(element("title", {}, `time step ${t + 1}: ${value.toFixed(4)}`));
      parts.push(bar);
    });
    const even = 205 - height(1 / alpha.length);
    parts.push(element("line", { x1: 50, x2: 630, y1: even, y2: even, "stroke-dasharray": "4 3" }));
    parts.push(element("text", { x: 4, y: even + 4 }, (1 / alpha.length).toPrecision(2)));
    parts.push(element("line", { x1: 50, x2: 630, y1: 205, y2: 205 }));
    parts.push(element("text", { x: 4, y: 20 }, top.toPrecision(2)));
    parts.push(element("text", { x: 50, y: 225 }, "time step 1"));
    parts.push(element("text", { x: 630, y: 225, "text-anchor": "end" }, `${alpha.length}, the last`));
    svg.replaceChildren(...parts);
    const largest = alpha.indexOf(Math.max(...alpha));
    const error = chosen.error === null ? "no number" : chosen.error.toExponential(2);
    document.getElementById("weights-text").textContent =
      `${arms[arm.value].name}, ${chosen.name}: largest weight ${alpha[largest].toFixed(3)} ` +
      `at time step ${largest + 1} of ${alpha.length} (dashed: all equal). Test MSE ${error}.`;
    const rows = alpha.map((value, t) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = t + 1;
      const cell = document.createElement("td");
      cell.className = "number";
      cell.textContent = value.toFixed(4);
      row.append(head, cell);
      return row;
    });
    document.querySelector("#weights-table tbody").replaceChildren(...rows);
  };

  const choose = () => {
    fill(start, arms[arm.value].starts.map((one) => one.name));
    draw();
  };

  fill(arm, arms.map((one) => one.name));
  arm.addEventListener("change", choose);
  start.addEventListener("change", draw);
  choose();
})();
