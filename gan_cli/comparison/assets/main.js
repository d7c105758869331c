function drawPaper() {
  if (!data.paper) return;
  const { title, titles, rows, numeric, notes } = data.paper;
  const kind = (i) => (i >= titles.length - numeric ? 'number' : null);
  byId('paper').hidden = false;
  byId('paper-title').textContent = title;
  const head = titles.map((text, i) => make('th', { scope: 'col', class: `plain ${kind(i) || ''}` }, text));
  const lines = rows.map((row) => make('tr', {}, ...row.map((text, i) => make('td', { class: kind(i) || (text.length > 40 ? 'long' : null) }, text))));
  byId('paper-table').replaceChildren(make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...lines));
  byId('paper-notes').replaceChildren(...notes.map((note) => make('li', {}, note)));
}

function drawAll() {
  const visible = visibleRuns().length;
  byId('count').textContent = visible === data.runs.length ? `${visible} runs` : `${visible} of ${data.runs.length} runs`;
  drawTable();
  drawCurves();
  drawSamples();
}

byId('made').textContent = data.made;
byId('notes').replaceChildren(...data.notes.map((note) => make('li', {}, note)));
byId('which').value = data.which;
byId('rows').value = data.by === 'run' ? 'runs' : 'groups';
byId('rows').closest('label').hidden = data.groups.length === data.runs.length && data.keys.join() === data.differ.join();
if (byId('rows').closest('label').hidden) byId('rows').value = 'runs';
byId('which').closest('label').hidden = !data.metrics.some((metric) => metric.better);
byId('metric').replaceChildren(...Object.keys(data.curves.values).map((name) => make('option', { value: name }, name)));
byId('curves').hidden = !Object.keys(data.curves.values).length;
byId('samples').hidden = !figures.some(Boolean);
const usual = data.runs.length <= 12 ? 300 : 200;
byId('size').value = String(usual);
byId('sheet').style.setProperty('--size', `${usual}px`);

byId('filter').addEventListener('input', drawAll);
byId('rows').addEventListener('change', drawTable);
byId('which').addEventListener('change', drawTable);
['metric', 'smooth', 'log'].forEach((id) => byId(id).addEventListener('input', drawCurves));
byId('size').addEventListener('input', () => byId('sheet').style.setProperty('--size', `${byId('size').value}px`));
byId('plot').addEventListener('pointermove', pointed);
byId('plot').addEventListener('pointerleave', () => {
  if (plot.active && document.activeElement !== byId('plot')) activate(null); // the keyboard may be at work
});
byId('plot').addEventListener('click', (event) => { pointed(event); if (plot.active) showRun(plot.lines[plot.active[0]].run); });
byId('plot').addEventListener('keydown', pressed);
byId('run').addEventListener('click', (event) => { if (event.target === byId('run')) byId('run').close(); });
new ResizeObserver(drawCurves).observe(byId('plot'));
drawPaper();
drawLegend();
drawAll();
