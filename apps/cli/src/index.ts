export { type RankedRows, rankedRows } from './ranked-rows.js';
export { type Cell, renderTable } from './render-table.js';
