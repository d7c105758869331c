// The table of settings or runs: sorted by a click on a column's title, filtered by words.
const sorting = { groups: null, runs: null };

function columns(view) {
  const numbers = byId('which').value;
  const row = view === 'groups' ? data.groups : data.runs;
  const keys = view === 'groups' ? data.keys : data.differ;
  const named = view === 'runs' || keys.length === 0;
  const found = [];
  if (named) found.push({ id: 'name', title: 'run', cell: (r) => runCell(r, view), value: (r) => nameOf(r, view) });
  keys.forEach((key, i) => found.push({
    id: `setting ${key}`,
    title: key,
    cell: (r) => settingCell(r, view, i, !named && i === 0),
    value: (r) => (r.settings[i][1] !== null ? r.settings[i][1] : r.settings[i][0]),
  }));
  if (view === 'runs') found.push({ id: 'seed', title: 'seed', number: true, text: (r) => r.seed ?? '', value: (r) => r.seed });
  else if (row.some((r) => r.runs.length > 1)) {
    const text = (r) => (r.counted === r.runs.length ? `${r.counted}` : `${r.counted} of ${r.runs.length}`);
    found.push({ id: 'runs', title: 'runs', number: true, text, value: (r) => r.counted });
  }
  found.push({ id: 'outcome', title: 'outcome', cell: outcomeCell, value: (r) => r.outcome });
  for (const metric of data.metrics) {
    if (numbers === 'best' && metric.better === null) continue;
    const number = (r) => r[numbers][metric.name];
    found.push({
      id: `metric ${metric.name}`,
      title: numbers === 'best' ? `best ${metric.name}` : metric.name,
      hint: [metric.about, metric.better && `${metric.better} is better`].filter(Boolean).join('; '),
      number: true,
      text: (r) => (number(r) ? withError(number(r)[0], number(r)[1]) + (number(r)[2] < r.counted ? ` (of ${number(r)[2]})` : '') : ''),
      value: (r) => (number(r) ? number(r)[0] : null),
      tip: (r) => (number(r) && number(r)[3] !== null ? `step ${number(r)[3]}` : null),
    });
  }
  return found;
}

const nameOf = (row, view) => (view === 'runs' ? row.name : row.runs.map((i) => data.runs[i].name).join(', '));

function openRun(index, text) {
  return make('button', { class: 'link', type: 'button', onclick: () => showRun(index) }, text);
}

function runCell(row, view) {
  const members = view === 'runs' ? [data.runs.indexOf(row)] : row.runs;
  const cell = make('td', {}, swatch(members[0]));
  members.slice(0, 8).forEach((i, n) => cell.append(n ? ', ' : '', openRun(i, data.runs[i].name)));
  if (members.length > 8) cell.append(` and ${members.length - 8} more`);
  return cell;
}

function settingCell(row, view, index, first) {
  const [text] = row.settings[index];
  const cell = make('td', { class: text.length > 40 ? 'long' : null });
  if (first) cell.append(swatch(row.runs[0]), openRun(row.runs[0], text || '(none)'));
  else cell.append(text);
  return cell;
}

function outcomeCell(row) {
  const failed = /failed|torn|empty/.test(row.outcome);
  return make('td', { class: failed ? 'bad' : null, title: row.failure || null }, row.outcome);
}

// Numbers by size, text in a natural order; blanks and NaN last, whichever the direction.
function ordered(rows, column, descending) {
  const blank = (v) => v === null || v === undefined || v === '' || v === 'NaN';
  const infinite = { '∞': Infinity, '-∞': -Infinity };
  const keyed = rows.map((row) => {
    const value = column.value(row);
    return [value in infinite && column.number ? infinite[value] : value, row];
  });
  keyed.sort(([a], [b]) => {
    if (blank(a) || blank(b)) return blank(a) - blank(b);
    const both = typeof a === 'number' && typeof b === 'number';
    const sign = both ? (a > b) - (a < b) : collator.compare(String(a), String(b));
    return descending ? -sign : sign;
  });
  return keyed.map(([, row]) => row);
}

function head(view, shown) {
  const line = make('tr');
  shown.forEach((column) => {
    const now = sorting[view];
    const state = now && now.id === column.id ? (now.descending ? 'descending' : 'ascending') : 'none';
    const click = () => {
      // A number's first click brings the largest to the top, as far as that is the better way.
      const first = column.number && !/lower is better/.test(column.hint || '');
      sorting[view] = { id: column.id, descending: state === 'none' ? Boolean(first) : state === 'ascending' };
      drawTable();
      byId('table').querySelectorAll('thead button')[shown.indexOf(column)].focus();
    };
    const button = make('button', { type: 'button', title: column.hint || null, onclick: click }, column.title);
    line.append(make('th', { scope: 'col', class: column.number ? 'number' : null, 'aria-sort': state }, button));
  });
  return make('thead', {}, line);
}

function drawTable() {
  const view = byId('rows').value;
  const visible = new Set(visibleRuns());
  const shown = columns(view);
  let rows = view === 'runs'
    ? data.runs.filter((_, i) => visible.has(i))
    : data.groups.filter((group) => group.runs.some((i) => visible.has(i)));
  const by = sorting[view] && shown.find((column) => column.id === sorting[view].id);
  if (by) rows = ordered(rows, by, sorting[view].descending);
  const body = make('tbody');
  for (const row of rows) {
    const cells = shown.map((column) => column.cell
      ? column.cell(row)
      : make('td', { class: 'number', title: column.tip ? column.tip(row) : null }, String(column.text(row))));
    body.append(make('tr', {}, ...cells));
  }
  if (!rows.length) body.append(make('tr', {}, make('td', { colspan: shown.length }, 'No run has all these words.')));
  byId('table').replaceChildren(head(view, shown), body);
}
