// One run: how it ended, its numbers, its picture and its settings, those marked in which runs differ.
function pairs(entries, marked) {
  const body = make('tbody');
  for (const [key, value] of entries) {
    const shown = marked(key) ? make('mark', {}, value) : value;
    body.append(make('tr', {}, make('th', { scope: 'row' }, key), make('td', {}, shown)));
  }
  return make('table', {}, body);
}

function numbersOf(run) {
  return data.metrics.filter(({ name }) => run.last[name]).map(({ name }) => {
    const [value, error, , step] = run.last[name];
    const best = run.best[name];
    const text = `${withError(value, error)}${step !== null ? ` at step ${step}` : ''}`;
    return [name, best ? `${text}; best ${withError(best[0], best[1])} at step ${best[3]}` : text];
  });
}

function showRun(index) {
  const run = data.runs[index];
  const own = new Set(run.config.map(([key]) => key));
  const facts = [['folder', run.folder], ['outcome', run.outcome]];
  if (run.failure) facts.push(['failure', run.failure]);
  if (run.step !== null) facts.push(['step', run.steps !== null ? `${run.step} of ${run.steps}` : String(run.step)]);
  run.problems.forEach((problem) => facts.push(['note', problem]));
  const others = data.groups[groupOf.get(index)].runs.filter((one) => one !== index).slice(0, 40);
  const whole = [...run.config, ...data.common].sort(([a], [b]) => collator.compare(a, b));
  byId('run-title').textContent = `Run ${run.name}`;
  byId('run-body').replaceChildren(
    pairs(facts, () => false),
    ...(others.length ? [make('p', { class: 'siblings' }, 'Same setting: ', ...others.map((one) => openRun(one, data.runs[one].name)))] : []),
    make('h3', {}, 'Numbers'), pairs(numbersOf(run), () => false),
    ...(run.picture ? [make('h3', {}, `Samples (${run.pictureName})`), make('img', { src: run.picture[0], width: run.picture[1], height: run.picture[2], alt: `Samples of run ${run.name}` })] : []),
    make('h3', {}, 'In these settings runs differ'), pairs(run.config, () => true),
    make('h3', {}, 'All settings'), pairs(whole, (key) => own.has(key)),
  );
  if (!byId('run').open) byId('run').showModal();
  byId('run').scrollTop = 0;
}
