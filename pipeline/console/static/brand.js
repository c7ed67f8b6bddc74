// Draws the minutes of a brand with Plotly, over the still drawing that the server put there.
// Text that is not ours reaches Plotly as names of planned events alone, and is escaped.

const place = document.getElementById("plot");
const dark = matchMedia("(prefers-color-scheme: dark)");

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function spans(minutes) {
  const end = minutes.bucket_ms.at(-1) + 60000;
  const alerts = minutes.alerts.map((alert) => ({
    from: alert.from_ms, to: alert.open ? end : alert.to_ms, text: alert.label, fill: colour(alert.severity),
  }));
  const events = minutes.events.map((event) => ({
    from: event.from_ms, to: event.to_ms, text: `${minutes.words.planned}: ${event.name}`, fill: colour("accent"),
  }));
  const begin = minutes.bucket_ms[0];
  return [...alerts, ...events]
    .filter((span) => span.to > begin && span.from < end)
    .map((span) => ({ ...span, from: Math.max(span.from, begin), to: Math.min(span.to, end) }));
}

function traces(minutes) {
  const x = minutes.bucket_ms.map((ms) => new Date(ms).toISOString().slice(0, 16));
  const words = minutes.words;
  const line = (y, name, look, axis) => ({
    x, y, name: plain(name), mode: "lines", line: look, yaxis: axis, hovertemplate: "%{y:.3~g}",
  });
  return [
    { ...line(minutes.high, words.band, { width: 0 }, "y"), showlegend: false, hoverinfo: "skip", hovertemplate: null },
    { ...line(minutes.low, words.band, { width: 0 }, "y"), fill: "tonexty", fillcolor: colour("band") },
    line(minutes.expected, words.expected, { color: colour("expected"), dash: "dot", width: 1.5 }, "y"),
    { ...line(minutes.negative, words.negative, { width: 0 }, "y"), fill: "tozeroy", fillcolor: colour("bad") },
    line(minutes.mentions, words.mentions, { color: colour("volume"), width: 1.5 }, "y"),
    line(minutes.sentiment, words.sentiment, { color: colour("accent"), width: 2 }, "y2"),
    line(minutes.weighted_sentiment, words.weighted, { color: colour("warning"), dash: "dash", width: 2 }, "y2"),
  ];
}

function layout(minutes) {
  const marked = spans(minutes);
  const moment = (ms) => new Date(ms).toISOString().slice(0, 16);
  const grid = { gridcolor: colour("line"), zerolinecolor: colour("line") };
  return {
    autosize: true, height: 440, margin: { l: 44, r: 10, t: 26, b: 30 }, hovermode: "x unified",
    paper_bgcolor: colour("paper"), plot_bgcolor: colour("paper"),
    font: { color: colour("ink"), family: "system-ui, sans-serif", size: 12 },
    hoverlabel: { bgcolor: colour("paper") },
    separators: minutes.words.separators,
    legend: { orientation: "h", y: -0.12 },
    xaxis: { type: "date", tickformat: "%H:%M\n%d.%m.%Y", hoverformat: "%H:%M", ...grid, anchor: "y2" },
    yaxis: { domain: [0.42, 1], rangemode: "tozero", fixedrange: true, ...grid },
    yaxis2: { domain: [0, 0.34], range: [-1, 1], fixedrange: true, ...grid },
    shapes: marked.map((span) => ({
      type: "rect", xref: "x", yref: "paper", x0: moment(span.from), x1: moment(span.to), y0: 0, y1: 1,
      fillcolor: span.fill, opacity: 0.13, line: { width: 0 }, layer: "below",
    })),
    annotations: marked.map((span, number) => ({
      x: moment(span.from), y: 1, xref: "x", yref: "paper", text: plain(span.text), showarrow: false,
      xanchor: "left", yanchor: "bottom", yshift: -14 * (number % 3), font: { size: 11, color: colour("ink") },
    })),
  };
}

async function draw() {
  const response = await fetch(place.dataset.address, { cache: "no-store" });
  if (!response.ok) return;
  const minutes = await response.json();
  if (minutes.bucket_ms.length < 2) return;
  await Plotly.react(place, traces(minutes), layout(minutes), { responsive: true, displayModeBar: false });
  document.getElementById("still")?.setAttribute("hidden", "");
}

if (window.Plotly) {
  draw();
  document.addEventListener("czujka:refreshed", draw);
  dark.addEventListener("change", draw);
}
