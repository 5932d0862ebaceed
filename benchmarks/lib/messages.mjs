// Files of messages, each behind its length (u32 LE).
import { readFileSync, writeFileSync } from 'node:fs';

export function writeMessages(path, messages) {
  const parts = messages.flatMap((message) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(message.length);
    return [head, message];
  });
  writeFileSync(path, Buffer.concat(parts));
}

export function readMessages(path) {
  const contents = readFileSync(path);
  const messages = [];
  for (let at = 0; at < contents.length; ) {
    const length = contents.readUInt32LE(at);
    messages.push(contents.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return messages;
}
