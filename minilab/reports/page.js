// Draws every figure with the page's colours, and again when the colour scheme changes.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const variable = /^var\((--[a-z0-9-]+)\)$/;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const resolve = (value) => {
    if (typeof value === "string") {
      const found = value.match(variable);
      return found ? colour(found[1]) : value;
    }
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v)]));
    return value;
  };
  const merge = (base, over) => {
    const out = { ...base };
    for (const [key, value] of Object.entries(over))
      out[key] = value && typeof value === "object" && !Array.isArray(value)
        ? merge(base[key] || {}, value) : value;
    return out;
  };
  const axis = {
    gridcolor: "var(--grid)", zerolinecolor: "var(--grid)", linecolor: "var(--grid)",
    automargin: true, fixedrange: true,
  };
  const layout = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: "var(--text)", family: "system-ui, sans-serif", size: 12 },
    margin: { l: 8, r: 12, t: 12, b: 8 },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    hoverlabel: { bgcolor: "var(--card)", bordercolor: "var(--border)", font: { color: "var(--text)" } },
    separators: ".,", xaxis: axis, yaxis: axis,
  };
  const draw = () => {
    for (const place of document.querySelectorAll("[data-figure]")) {
      const figure = resolve(figures[place.dataset.figure]);
      const shown = merge(resolve(layout), figure.layout || {});
      shown.showlegend = figure.data.length > 1;
      Plotly.react(place, figure.data, shown, { displayModeBar: false, responsive: true });
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
