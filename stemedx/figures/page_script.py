"""What the report does in a browser: it turns views, and opens all before it is printed.

A Python module and not a data file, so that the digest of the code sees a change.
"""

SCRIPT = """
"use strict";
// Browsers lend only a few drawing contexts: the oldest view goes still again.
const MOST_LIVE = 6;
const BUTTONS = [["toImage", "zoom3d", "pan3d", "orbitRotation", "resetCameraDefault3d"]];
const live = [];
const canTurn = (() => {
  try { return Boolean(document.createElement("canvas").getContext("webgl")); }
  catch (error) { return false; }
})();

function still(view) {
  const place = view.querySelector(".live");
  view.camera = place.layout && place.layout.scene && place.layout.scene.camera;
  Plotly.purge(place);
  view.classList.remove("on");
  view.querySelector("button").textContent = "Turn it";
  live.splice(live.indexOf(view), 1);
}

function turn(view) {
  if (live.length === MOST_LIVE) { still(live[0]); }
  const drawn = JSON.parse(document.getElementById(view.dataset.json).textContent);
  if (view.camera) { drawn.layout.scene.camera = view.camera; }
  view.classList.add("on");
  view.querySelector("button").textContent = "Still picture";
  live.push(view);
  Plotly.newPlot(view.querySelector(".live"), drawn.data, drawn.layout,
    {displaylogo: false, responsive: true, showTips: false, modeBarButtons: BUTTONS});
}

for (const view of document.querySelectorAll(".view[data-json]")) {
  const button = view.querySelector("button");
  button.hidden = false;
  if (!canTurn) { button.disabled = true; button.textContent = "Needs WebGL to be turned"; }
  button.addEventListener("click", () => live.includes(view) ? still(view) : turn(view));
}

window.addEventListener("beforeprint", () => {
  [...live].forEach(still);
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
});
"""
