import type { ModelReport, ReplayReport } from './replay-report.js';
import { number, percent } from './report-text.js';

/** The report as one page that needs nothing else. */
export function reportHtml(report: ReplayReport): string {
  const { totals } = report;
  const verdict = report.ok ? 'The candidate answers as the log does, within the limits.' : 'The candidate differs from the log.';
  const facts: readonly (readonly [string, string])[] = [
    ['Log', report.log],
    ['Candidate', report.candidate],
    ['Model outputs', report.models_from === 'logged' ? 'from the log' : 'asked again'],
    ['Tolerance', number(report.tolerance)],
    ['Requests', `${totals.requests} (${totals.rows} rows) in ${totals.seconds.toFixed(1)} s`],
    ['Refused by the candidate', String(totals.failed)],
    ['Of models the candidate lacks', String(totals.otherModels)],
    ['Records unreadable, requests not whole', `${totals.unreadable}, ${totals.incomplete}`],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay: ${escapeHtml(report.candidate)}</title>
<style>${style}</style>
</head>
<body>
<h1>Replay</h1>
<p class="${report.ok ? 'good' : 'bad'} verdict">${verdict}</p>
${table(['', ''], facts)}
${report.limits.length === 0 ? '' : `<h2>Limits</h2>${limitTable(report)}`}
${report.models.map(modelSection).join('\n')}
</body>
</html>
`;
}

function limitTable({ limits }: ReplayReport): string {
  return table(
    ['Limit', 'Model', 'Allowed', 'Found', ''],
    limits.map(({ name, model, limit, actual, ok }) => [`--${name}`, model, number(limit), number(actual), ok ? 'kept' : 'broken']),
  );
}

function modelSection(model: ModelReport): string {
  const { tau, overlap, column, top, requests } = model.ranking;
  const scores = model.scores.map(
    ({ column: name, scope, rows, changed, lost, gained, gone, unknown, mean_delta: mean, max_delta: max, quantiles }) => [
      scope === 'slate' ? `${name} (slates)` : name,
      String(rows),
      `${changed} (${percent(rows === 0 ? 0 : changed / rows)})`,
      String(lost + gone),
      String(gained),
      String(unknown),
      ...[mean, quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p999, max].map(number),
    ],
  );
  const charts = model.scores.filter(({ changed }) => changed > 0).map(({ column: name, decades }) => chart(name, decades));
  const ranks =
    tau === null || overlap === null
      ? '<p>No request has two rows to compare.</p>'
      : table(
          [`${requests} requests, ranked by ${column}`, 'Mean', 'Least', '1 %', '10 %', 'Median'],
          [
            ['Kendall’s τ', ...[tau.mean, tau.min, tau.p1, tau.p10, tau.p50].map(number)],
            [`Best ${top} in common`, ...[overlap.mean, overlap.min, overlap.p1, overlap.p10, overlap.p50].map(percent)],
          ],
        );
  const columns =
    model.columns.length === 0
      ? '<p>No column lost or gained values.</p>'
      : table(
          ['Column', 'Component', 'Rows', 'Newly a default', 'Newly without value', 'Newly with a value', ''],
          model.columns.map((each) => [
            each.name,
            each.component,
            ...[each.rows, each.newly_defaulted, each.newly_without, each.newly_filled].map(String),
            each.is_new ? 'not in the log' : '',
          ]),
        );
  const inputs =
    model.defaulted_inputs.length === 0
      ? ''
      : `<h3>Inputs filled with defaults</h3>${table(
          ['Component', 'In the log', 'Now'],
          model.defaulted_inputs.map(({ component, logged, now }) => [component, String(logged), String(now)]),
        )}`;
  const notes = [
    ...Object.entries(model.unknown_because).map(([component, reason]) => `Unknown because of ${component}: ${reason}.`),
    ...Object.entries(model.failures).map(([code, count]) => `Refused: ${count} × ${code}.`),
  ];
  const worst =
    model.worst.length === 0
      ? ''
      : `<h3>Largest changes</h3>${table(
          ['Tracking id', 'Row', 'Score', 'Logged', 'Now', 'Δ'],
          model.worst.map((each) => [
            each.trackingId,
            String(each.row),
            each.column,
            number(each.logged),
            number(each.now),
            number(each.delta),
          ]),
        )}`;
  return `<h2>${escapeHtml(model.model_config_id)}</h2>
<p>${model.requests} requests, ${model.rows} rows${model.slates > 0 ? `, ${model.slates} pairs or slates` : ''}. Configuration ${escapeHtml(model.logged_hashes.join(', '))} in the log, ${escapeHtml(model.candidate_hash)} as the candidate.</p>
${notes.map((note) => `<p class="bad">${escapeHtml(note)}</p>`).join('')}
<h3>Scores</h3>
${table(['Score', 'Rows', 'Changed', 'Lost', 'Gained', 'Unknown', 'Mean Δ', 'p50', 'p90', 'p99', 'p99.9', 'Max'], scores)}
${charts.join('')}
<h3>Ranks</h3>
${ranks}
<h3>Columns</h3>
${columns}${inputs}${worst}`;
}

/** Rows per power of ten of the change. */
function chart(name: string, decades: readonly { readonly from: number; readonly count: number }[]): string {
  const most = Math.max(...decades.map(({ count }) => count), 1);
  const bars = decades.map(({ from, count }, index) => {
    const width = Math.max(Math.round((count / most) * 400), count > 0 ? 2 : 0);
    const y = index * 20;
    const label = from === 0 ? 'unchanged' : `from ${from.toExponential(0)}`;
    return `<text x="110" y="${y + 14}" text-anchor="end">${label}</text><rect x="120" y="${y + 2}" width="${width}" height="16"/><text x="${128 + width}" y="${y + 14}">${count}</text>`;
  });
  return `<figure><figcaption>Rows by the size of the change of ${escapeHtml(name)}</figcaption><svg viewBox="0 0 640 ${decades.length * 20}" width="640" height="${decades.length * 20}" role="img" aria-label="Rows by the size of the change of ${escapeHtml(name)}">${bars.join('')}</svg></figure>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const heading = head.some((name) => name !== '') ? `<tr>${head.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr>` : '';
  const body = rows.map(
    (row) =>
      `<tr>${row.map((cell, at) => `<td${at > 0 && /^[−-]?[\d.]/.test(cell) ? ' class="n"' : ''}>${escapeHtml(cell)}</td>`).join('')}</tr>`,
  );
  return `<table>${heading}${body.join('')}</table>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const style = `
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}
th,td{padding:.25rem .75rem;border-bottom:1px solid #8884;text-align:left;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}
.verdict{font-weight:600;padding:.5rem .75rem;border-left:4px solid}
.good{color:#1a7f37}.bad{color:#cf222e}
figure{margin:1rem 0}figcaption{font-size:13px;opacity:.8}
svg text{font-size:12px;fill:currentColor}svg rect{fill:#4c78a8}
`;
