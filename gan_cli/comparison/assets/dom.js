// Elements, numbers and words. Text enters the page as text alone, never as markup.
const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const collator = new Intl.Collator('en', { numeric: true });

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function draw(tag, attributes = {}, text = null) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

function short(value) {
  if (typeof value !== 'number') return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(3).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(4)));
}

// To the second digit of the error, as the tables in text have it.
function withError(value, error) {
  if (typeof value !== 'number' || typeof error !== 'number') return short(value);
  if (error === 0) return `${short(value)} ± 0`;
  if (Math.max(Math.abs(value), error) >= 1e6 || error < 1e-5) return `${short(value)} ± ${error.toPrecision(2)}`;
  const digits = Math.max(0, 1 - Math.floor(Math.log10(error)));
  return `${value.toFixed(digits)} ± ${error.toFixed(digits)}`;
}

function described(keys, settings) {
  const pairs = keys.map((key, i) => [key, settings[i][0]]).filter(([, value]) => value !== '');
  return pairs.map(([key, value]) => `${key}=${value}`).join('  ');
}

// The colour of a run is that of its setting; where all have one, or each its own, it is the run's.
const groupOf = new Map();
data.groups.forEach((group, index) => group.runs.forEach((run) => groupOf.set(run, index)));
const byGroup = data.groups.length > 1;
const PALETTE = [210, 28, 145, 0, 275, 185, 55, 320];

function colour(run) {
  const index = byGroup ? groupOf.get(run) : run;
  const count = byGroup ? data.groups.length : data.runs.length;
  const hue = count <= PALETTE.length ? PALETTE[index] : (index * 137.508) % 360;
  return `hsl(${hue.toFixed(0)} ${60 + 20 * (index % 2)}% var(--level))`;
}

function swatch(run) {
  const element = make('span', { class: 'swatch', 'aria-hidden': 'true' });
  element.style.color = colour(run);
  return element;
}

// Filtering: every word must occur among a run's name, outcome and key=value pairs.
const haystacks = data.runs.map((run) => [
  run.name, run.outcome, `seed=${run.seed}`, described(data.differ, run.settings), run.failure || '',
  ...run.config.map(([key, value]) => `${key}=${value}`),
].join(' ').toLowerCase());

function visibleRuns() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  return data.runs.map((_, i) => i).filter((i) => words.every((word) => haystacks[i].includes(word)));
}
