import { murmur3 } from '@inferflow/matrix';

/** A share of the calls. */
export interface RouteShare {
  /** 0–100, fractions allowed. */
  readonly percentage: number;
}

/**
 * Picks a share: the first one whose running total lies above a point that follows from component and request, so that the calls of one
 * request, and all requests of one user, go the same way. −1 when the shares do not reach the point (all 0: routing is not in use).
 */
export function chooseRoute(shares: readonly RouteShare[], componentSeed: number, routeHash: number): number {
  if (shares.length === 0) return -1;
  const point = routePoint(componentSeed, routeHash);
  let total = 0;
  for (let index = 0; index < shares.length; index++) {
    total += (shares[index] as RouteShare).percentage;
    if (point < total) return index;
  }
  return -1;
}

/** The seed of a component's routing: its name, so that two components of a request are split independently. */
export function routeSeed(componentName: string): number {
  const bytes = new TextEncoder().encode(componentName);
  return murmur3(bytes, 0, bytes.length, 0);
}

/** A point in [0, 100). */
export function routePoint(componentSeed: number, routeHash: number): number {
  let hash = Math.imul(componentSeed ^ Math.imul(routeHash, 0x9e3779b1), 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  hash ^= hash >>> 16;
  return ((hash >>> 0) / 0x1_0000_0000) * 100;
}
