import type { ConfigGraph, GraphComponent } from './config-graph.js';

const boxWidth = 210;
const boxHeight = 46;
const columnGap = 150;
const rowGap = 26;
const labelHeight = 13;
const margin = 24;
const fills: Readonly<Record<GraphComponent['kind'], string>> = {
  feature_initializer: '#eceff1',
  feature: '#e3f2fd',
  predator: '#fff3e0',
  numerix: '#e8f5e9',
  plugin: '#f3e5f5',
};

/** The graph as an SVG drawing: levels from left to right, columns on the edges (all of them in the edge's title). */
export function graphSvg(graph: ConfigGraph): string {
  const levels = Math.max(0, ...graph.components.map(({ level }) => level)) + 1;
  const rows = new Map<string, number>();
  const filled = new Array<number>(levels).fill(0);
  for (const { componentName, level } of graph.components) rows.set(componentName, filled[level]!++);
  const tallest = Math.max(...filled);
  // Labels are stacked before the box that they lead to, so that they never lie on each other.
  const labels = new Map<string, number>();
  for (const { to, columns } of graph.edges) if (columns.length > 0) labels.set(to, (labels.get(to) ?? 0) + 1);
  const rowHeight = Math.max(boxHeight + rowGap, (Math.max(0, ...labels.values()) + 1) * labelHeight);
  const drawn = new Map<string, number>();
  const place = ({ componentName, level }: GraphComponent) => ({
    x: margin + level * (boxWidth + columnGap),
    y: margin + (rows.get(componentName)! + (tallest - filled[level]!) / 2) * rowHeight,
  });
  const places = new Map(graph.components.map((component) => [component.componentName, place(component)]));
  const width = 2 * margin + levels * boxWidth + (levels - 1) * columnGap;
  const height = 2 * margin + tallest * rowHeight - (rowHeight - boxHeight);
  const edges = graph.edges.map(({ from, to, columns, isDependency }) => {
    const [start, end] = [places.get(from)!, places.get(to)!];
    const [x1, y1, x2, y2] = [start.x + boxWidth, start.y + boxHeight / 2, end.x, end.y + boxHeight / 2];
    const bend = (x1 + x2) / 2;
    const title = columns.length === 0 ? `${from} → ${to}` : `${from} → ${to}: ${columns.join(', ')}`;
    const index = drawn.get(to) ?? 0;
    if (columns.length > 0) drawn.set(to, index + 1);
    const [first = '', ...others] = columns;
    const more = others.length === 0 ? '' : ` +${others.length}`;
    const label =
      columns.length === 0
        ? ''
        : text(
            x2 - 10,
            y2 + (index - ((labels.get(to) ?? 1) - 1) / 2) * labelHeight - 2,
            `${shortText(first, 22 - more.length)}${more}`,
            10,
            'end',
          );
    return `<g><title>${escaped(title)}</title><path d="M${x1},${y1} C${bend},${y1} ${bend},${y2} ${x2},${y2}" fill="none" stroke="#78909c"${isDependency ? '' : ' stroke-dasharray="4 3"'} marker-end="url(#arrow)"/>${label}</g>`;
  });
  const boxes = graph.components.map((component) => {
    const { x, y } = places.get(component.componentName)!;
    const title =
      component.requestColumns.length === 0
        ? component.about
        : `${component.about}; from the request: ${component.requestColumns.join(', ')}`;
    return `<g><title>${escaped(title)}</title><rect x="${x}" y="${y}" width="${boxWidth}" height="${boxHeight}" rx="6" fill="${fills[component.kind]}" stroke="#90a4ae"/>${text(x + 10, y + 19, shortText(component.componentName, 28), 13)}${text(x + 10, y + 36, shortText(component.about, 34), 11)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif">`,
    '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="#78909c"/></marker></defs>',
    `<title>${escaped(graph.modelConfigId)}</title>`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...edges,
    ...boxes,
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, content: string, size: number, anchor = 'start'): string {
  return `<text x="${x}" y="${y}" font-size="${size}" text-anchor="${anchor}" fill="#263238" paint-order="stroke" stroke="white" stroke-width="${anchor === 'end' ? 3 : 0}">${escaped(content)}</text>`;
}

function shortText(content: string, length: number): string {
  return content.length > length ? `${content.slice(0, length - 1)}…` : content;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
