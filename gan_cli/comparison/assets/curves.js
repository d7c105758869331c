// Curves over steps as SVG; the nearest point to the pointer is told, and the keyboard reaches every point.
const plot = { lines: [], active: null, hidden: new Set() };

function smoothed(values, weight) {
  if (weight <= 0) return values;
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

function chosenLines() {
  const found = data.curves.values[byId('metric').value] || {};
  const weight = Number(byId('smooth').value);
  const log = byId('log').checked;
  return visibleRuns().filter((run) => found[run] && !plot.hidden.has(byGroup ? groupOf.get(run) : run)).map((run) => {
    const steps = data.curves.steps[found[run][0]];
    const values = smoothed(found[run][1], weight);
    const points = steps.map((step, i) => [step, values[i]]);
    return { run, points: points.filter(([, value]) => value !== null && (!log || value > 0)) };
  }).filter((line) => line.points.length);
}

function ticks(low, high, count) {
  const raw = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = unit * ([1, 2, 5, 10].find((k) => k * unit >= raw) || 10);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function scales(lines, width, height) {
  const log = byId('log').checked;
  const bend = log ? Math.log10 : (value) => value;
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { points } of lines) {
    for (const [step, value] of points) {
      left = Math.min(left, step); right = Math.max(right, step);
      low = Math.min(low, bend(value)); high = Math.max(high, bend(value));
    }
  }
  if (left === right) { left -= 1; right += 1; }
  if (low === high) { const pad = Math.abs(low) * 0.05 || 1; low -= pad; high += pad; }
  const pad = (high - low) * 0.04;
  [low, high] = [low - pad, high + pad];
  const box = { left: 64, top: 12, right: width - 26, bottom: height - 28 };
  const x = (step) => box.left + ((step - left) / (right - left)) * (box.right - box.left);
  const y = (value) => box.bottom - ((bend(value) - low) / (high - low)) * (box.bottom - box.top);
  const unbend = log ? (level) => 10 ** level : (level) => level;
  const wide = Math.max(2, Math.min(8, Math.floor((box.right - box.left) / 110)));
  return { box, x, y, across: ticks(left, right, wide), up: ticks(low, high, 6).map(unbend) };
}

function axes(svg, { box, x, y, across, up }) {
  for (const value of up) {
    svg.append(draw('line', { class: 'grid', x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
    svg.append(draw('text', { x: box.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
  }
  for (const step of across) {
    svg.append(draw('line', { class: 'grid', x1: x(step), x2: x(step), y1: box.top, y2: box.bottom }));
    svg.append(draw('text', { x: x(step), y: box.bottom + 18, 'text-anchor': 'middle' }, step.toLocaleString('en')));
  }
}

function drawCurves() {
  const place = byId('plot');
  const { width, height } = place.getBoundingClientRect();
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
  plot.lines = chosenLines();
  plot.active = null;
  place.setAttribute('aria-label', `${byId('metric').value} over steps, ${plot.lines.length} runs`);
  byId('reading').textContent = plot.lines.length ? '' : 'No run that is shown has this number.';
  place.replaceChildren(svg);
  if (!plot.lines.length || !width) return;
  const scale = scales(plot.lines, width, height);
  axes(svg, scale);
  const group = draw('g');
  for (const line of plot.lines) {
    line.pixels = line.points.map(([step, value]) => [scale.x(step), scale.y(value)]);
    const d = line.pixels.map(([a, b], i) => `${i ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`).join('');
    line.path = draw('path', { d: line.pixels.length > 1 ? d : `${d}h0.1`, 'data-run': line.run });
    line.path.style.color = colour(line.run);
    if (line.pixels.length === 1) line.path.style.strokeWidth = '6';
    group.append(line.path);
  }
  plot.dot = draw('circle', { r: 4.5, visibility: 'hidden' });
  plot.group = group;
  svg.append(group, plot.dot);
}

function activate(lineIndex, pointIndex) {
  plot.lines.forEach((line) => line.path.classList.remove('on'));
  plot.group.classList.toggle('dim', lineIndex !== null);
  plot.active = lineIndex === null ? null : [lineIndex, pointIndex];
  plot.dot.setAttribute('visibility', lineIndex === null ? 'hidden' : 'visible');
  if (lineIndex === null) { byId('reading').textContent = ''; return; }
  const line = plot.lines[lineIndex];
  const [step, value] = line.points[pointIndex];
  const [x, y] = line.pixels[pointIndex];
  line.path.classList.add('on');
  line.path.parentNode.append(line.path);
  plot.dot.setAttribute('cx', x);
  plot.dot.setAttribute('cy', y);
  plot.dot.style.color = colour(line.run);
  const run = data.runs[line.run];
  const what = described(data.differ, run.settings);
  byId('reading').replaceChildren(swatch(line.run), `run ${run.name}${what ? `  (${what}  seed=${run.seed})` : ''}: step ${step.toLocaleString('en')}, ${short(value)}`);
}

function pointed(event) {
  const { left, top } = byId('plot').getBoundingClientRect();
  const [px, py] = [event.clientX - left, event.clientY - top];
  let best = [Infinity, null, null];
  plot.lines.forEach((line, i) => line.pixels.forEach(([x, y], k) => {
    const distance = (x - px) ** 2 + (y - py) ** 2;
    if (distance < best[0]) best = [distance, i, k];
  }));
  if (best[1] !== null) activate(best[1], best[2]);
}

function pressed(event) {
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  if (event.key === 'Enter' && plot.active) {
    event.preventDefault(); // or the same stroke presses the dialog's button, which has the focus by then
    showRun(plot.lines[plot.active[0]].run);
    return;
  }
  if (event.key === 'Escape' && plot.active) { activate(null); return; }
  if (!(event.key in moves) || !plot.lines.length) return;
  event.preventDefault();
  const [down, right] = moves[event.key];
  const [i, k] = plot.active || [0, -right];
  const line = (i + down + plot.lines.length) % plot.lines.length;
  activate(line, Math.max(0, Math.min(plot.lines[line].points.length - 1, k + right)));
}

function drawLegend() {
  const items = byGroup ? data.groups.map((group) => group.runs[0]) : data.runs.map((_, run) => run);
  const text = (run) => (byGroup ? described(data.keys, data.groups[groupOf.get(run)].settings) : '') || data.runs[run].name;
  byId('legend').replaceChildren(...items.map((run) => {
    const key = byGroup ? groupOf.get(run) : run;
    const button = make('button', { type: 'button', 'aria-pressed': 'true' }, swatch(run), make('span', {}, text(run)));
    button.addEventListener('click', () => {
      if (!plot.hidden.delete(key)) plot.hidden.add(key);
      button.setAttribute('aria-pressed', String(!plot.hidden.has(key)));
      drawCurves();
    });
    return make('li', {}, button);
  }));
}
