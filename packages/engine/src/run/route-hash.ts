/** 32-bit FNV-1a with a final mix over UTF-16 units: spreads ids evenly, the same in every process. */
function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The hash that routing draws from: the user's, else the tracking id's, else random. */
export function routeHashOf(userId: string, trackingId: string): number {
  if (userId !== '') return hashOfText(userId);
  if (trackingId !== '') return hashOfText(trackingId);
  return (Math.random() * 0x1_0000_0000) >>> 0;
}
