import { crc32, deflateSync } from 'node:zlib';
import { randomStream } from '../reply/seeded-random.ts';

const SIDE_PIXELS = 64;
const STRIPES = 4;
const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/**
 * A valid PNG of 64 x 64 pixels (https://www.w3.org/TR/png-3/): four stripes whose colours depend on `key` alone.
 * Small on purpose, whatever size was asked for: what is tested is that the bytes arrive.
 */
export function drawPng(key: string): Buffer {
  const random = randomStream(`png ${key}`);
  const colours = Array.from({ length: STRIPES }, () => [0, 0, 0].map(() => Math.floor(random() * 256)));
  const rows = Array.from({ length: SIDE_PIXELS }, (_, y) => {
    const colour = colours[Math.floor((y * STRIPES) / SIDE_PIXELS)] ?? [];
    // Each row begins with its filter type; 0 is none.
    return Buffer.from([0, ...Array.from({ length: SIDE_PIXELS }, () => colour).flat()]);
  });
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIDE_PIXELS, 0);
  header.writeUInt32BE(SIDE_PIXELS, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits a channel, RGB, deflate, no filter method but 0, not interlaced
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, checksum]);
}
