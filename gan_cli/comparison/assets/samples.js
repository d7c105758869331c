// The contact sheet: the last grid of each run that is shown.
const figures = data.runs.map((run, index) => {
  if (!run.picture) return null;
  const [address, width, height] = run.picture;
  const what = [described(data.differ, run.settings), run.seed === null ? '' : `seed=${run.seed}`].filter(Boolean).join('  ');
  const image = make('img', { src: address, width, height, alt: `Samples of run ${run.name}` });
  const caption = make('figcaption', {}, swatch(index), `${run.name}${what ? `  ${what}` : ''}`);
  if (run.outcome !== 'done') caption.append(' ', make('span', { class: 'bad' }, run.outcome));
  const button = make('button', { type: 'button', onclick: () => showRun(index) }, image);
  return make('figure', { title: run.pictureName }, button, caption);
});

function drawSamples() {
  const found = visibleRuns().map((run) => figures[run]).filter(Boolean);
  byId('sheet').replaceChildren(...found);
}
