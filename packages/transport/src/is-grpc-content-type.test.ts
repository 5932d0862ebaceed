import { expect, it } from 'vitest';
import { isGrpcContentType } from './is-grpc-content-type.js';

it.each([
  ['application/grpc', true],
  ['application/grpc+proto', true],
  ['application/grpc;charset=utf-8', true],
  ['Application/GRPC', true],
  ['APPLICATION/GRPC+PROTO', true],
  ['application/grpc-web', false],
  ['application/grpcs', false],
  ['application/json', false],
  ['', false],
  [undefined, false],
])('isGrpcContentType of %s is %s', (value, expected) => {
  expect(isGrpcContentType(value)).toBe(expected);
});
