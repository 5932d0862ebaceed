import { componentPath, type ModelConfig, type Problem } from '@inferflow/config';
import { checkExpression, readExpression } from '@inferflow/numerix';

/** What is wrong with the expressions that a model brings: a server would refuse the model when it compiles them. */
export function expressionProblems(config: ModelConfig): readonly Problem[] {
  return config.components.flatMap((component) => {
    if (component.kind !== 'numerix' || component.expression === undefined) return [];
    const names = component.variables.map(({ variable }) => variable);
    return checkExpression(readExpression(component.expression, names), names).map(
      ({ message, token, suggestion }): Problem => ({
        severity: 'error',
        code: 'INFERFLOW_CONFIG_REFUSED',
        path: `${componentPath(config, component)}.expression`,
        message: `the expression of ${JSON.stringify(component.componentName)} cannot be computed: ${message}`,
        ...(token === undefined ? {} : { found: token }),
        ...(suggestion === undefined ? {} : { suggestion }),
      }),
    );
  });
}
