import { joinPath } from '../json-path.js';

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Where something is, from the root. */
export type Place = readonly (string | number)[];

/** Every place in a value, the root left out. */
export function* placesOf(value: Json, place: Place = []): Generator<Place> {
  if (place.length > 0) yield place;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) yield* placesOf(member, [...place, key]);
}

/** `a.b[0].c` or `a["b c"]` → its keys. */
export function placeOf(path: string): Place {
  return [...path.matchAll(/\[(\d+)\]|\["([^"]*)"\]|([^.[\]]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  );
}

/** The path that lint gives for a place. */
export function pathOf(place: Place): string {
  return place.reduce<string>(joinPath, '$');
}

/** What is at a place. */
export function valueAt(model: Json, place: Place): Json | undefined {
  return place.reduce<Json | undefined>((at, key) => (at as Record<string | number, Json> | undefined)?.[key], model);
}

/** Changes what is at a place; `undefined` takes it away. The model is changed in place. */
export function change(model: Json, place: Place, value: Json | undefined): void {
  const key = place[place.length - 1] as string | number;
  const holder = valueAt(model, place.slice(0, -1));
  if (typeof holder !== 'object' || holder === null) throw new Error(`${pathOf(place)} is not there`);
  if (Array.isArray(holder) && value === undefined) holder.splice(key as number, 1);
  else if (value === undefined) delete (holder as Record<string, Json>)[key];
  else (holder as Record<string | number, Json>)[key] = value;
}

/** Gives a member another name, at the same position. */
export function rename(model: Json, place: Place, name: string): void {
  const holder = valueAt(model, place.slice(0, -1)) as Record<string, Json>;
  const members = Object.entries(holder);
  for (const [key] of members) delete holder[key];
  for (const [key, value] of members) holder[key === place[place.length - 1] ? name : key] = value;
}
