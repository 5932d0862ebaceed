import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../parse/parse-model-config.js';
import { configGraph } from './config-graph.js';
import { graphSvg } from './graph-svg.js';
import { graphMermaid, graphText } from './graph-text.js';

const feature = (component: string, key: string, label: string, name = 'price') => ({
  component,
  component_id: key,
  fs_keys: [{ schema: key, col: key }],
  fs_request: { label, featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: [name] }] },
  fs_flatten_resp_keys: [key],
});
const raw = {
  dag_execution_config: { component_dependency: { item: ['feature_initializer'], genre: ['item'], p1: ['genre'] } },
  component_config: {
    feature_components: [feature('item', 'item_id', 'item', 'genre'), feature('genre', 'item:g:genre', 'genre')],
    predator_components: [
      {
        component: 'p1',
        component_id: 'item_id',
        model_name: 'a "<b>" & c',
        model_end_point: 'h',
        deadline: 10,
        batch_size: 10,
        inputs: [{ name: 'x', features: ['item:g:genre', 'genre:g:price', 'mood'], shape: [3], data_type: 'FP32' }],
        outputs: [{ name: 'y', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'FP32' }],
      },
    ],
  },
  response_config: { features: ['item_id', 'score'] },
};

describe('configGraph', () => {
  const parsed = parseModelConfig('m', raw);
  const graph = configGraph(parsed.config!);

  it('puts components on levels and columns on the edges between writer and reader', () => {
    expect(graph.components.map(({ componentName, level }) => [componentName, level])).toEqual([
      ['feature_initializer', 0],
      ['item', 1],
      ['genre', 2],
      ['p1', 3],
    ]);
    expect(graph.edges).toContainEqual({ from: 'item', to: 'genre', columns: ['item:g:genre'], isDependency: true });
    expect(graph.edges).toContainEqual({ from: 'item', to: 'p1', columns: ['item:g:genre'], isDependency: false });
    expect(graph.components.at(-1)!.requestColumns).toEqual(['mood']);
  });

  it('is readable as text', () => {
    expect(graphText(graph)).toContain('level 3\n  p1  [predator] model a "<b>" & c\n    ← genre: genre:g:price\n');
    expect(graphText(graph)).toContain('← request: mood');
  });

  it('escapes names in Mermaid and SVG', () => {
    const mermaid = graphMermaid(graph);
    expect(mermaid.startsWith('flowchart LR\n')).toBe(true);
    expect(mermaid).toContain('model a &quot;&lt;b>&quot; &amp; c');
    expect(mermaid).toMatch(/c1 -\.->\|"item:g:genre"\| c3/);
    const svg = graphSvg(graph);
    expect(svg).not.toContain('"<b>"');
    expect(svg.match(/<rect x=/g)).toHaveLength(graph.components.length);
    expect(svg.match(/<path d="M\d/g)).toHaveLength(graph.edges.length + 1);
  });
});
