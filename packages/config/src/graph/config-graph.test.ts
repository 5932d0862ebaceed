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

  it('draws no label on another one or on a box, however many edges meet', () => {
    const names = Array.from({ length: 12 }, (_, index) => `source_${index}`);
    const { config } = parseModelConfig('wide', {
      dag_execution_config: {
        component_dependency: { feature_initializer: names, ...Object.fromEntries(names.map((name) => [name, ['m', 'n']])), m: [], n: [] },
      },
      component_config: {
        feature_component_config: Object.fromEntries(
          names.map((name) => [
            name,
            {
              fs_keys: { schema: ['id'], col: 'id' },
              fs_request: { entity_label: name, feature_groups: [{ label: 'g', feature_labels: ['a', 'b'] }] },
            },
          ]),
        ),
        predator_component_config: Object.fromEntries(
          ['m', 'n'].map((name) => [
            name,
            {
              model_name: name,
              model_endpoint: 'h',
              inputs: {
                feature_map: Object.fromEntries(
                  names.flatMap((source) => [
                    [`${source}:g:a`, 'FP32'],
                    [`${source}:g:b`, 'FP32'],
                  ]),
                ),
              },
              outputs: { score_columns: ['s'] },
            },
          ]),
        ),
      },
      response_config: { features: ['id', 'm:s', 'n:s'] },
    });
    if (config === null) throw new Error('the model of this test is not valid');
    const svg = graphSvg(configGraph(config));
    const numbers = (pattern: RegExp) => [...svg.matchAll(pattern)].map(([, ...found]) => found.map(Number));
    const boxes = numbers(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g).map(
      ([x = 0, y = 0, width = 0, height = 0]) => ({ x, y, width, height }),
    );
    // Right-aligned, of 22 letters of 10 px at most.
    const labels = numbers(/<text x="([\d.]+)" y="([\d.]+)" font-size="10"/g).map(([x = 0, y = 0]) => ({
      x: x - 140,
      y: y - 10,
      width: 140,
      height: 12,
    }));
    expect(labels).toHaveLength(24);
    const all = [...boxes, ...labels];
    const overlaps = all.flatMap((a, index) =>
      all.slice(index + 1).filter((b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height),
    );
    expect(overlaps).toEqual([]);
  });
});
