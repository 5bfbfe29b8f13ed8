import { crc32, inflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { drawPng } from './png.ts';

/** Reads a PNG as its specification says, or throws where a length or a checksum is wrong. */
function readPng(png: Buffer): { width: number; height: number; pixels: Buffer } {
  expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  const chunks = new Map<string, Buffer>();
  let at = 8;
  while (at < png.length) {
    const length = png.readUInt32BE(at);
    const typed = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(typed));
    chunks.set(typed.subarray(0, 4).toString('latin1'), typed.subarray(4));
    at += 12 + length;
  }
  expect([...chunks.keys()]).toEqual(['IHDR', 'IDAT', 'IEND']);
  const header = chunks.get('IHDR') ?? Buffer.alloc(0);
  return {
    width: header.readUInt32BE(0),
    height: header.readUInt32BE(4),
    pixels: inflateSync(chunks.get('IDAT') ?? Buffer.alloc(0)),
  };
}

it('draws a valid picture, the same for the same key', () => {
  const { width, height, pixels } = readPng(drawPng('key'));
  expect(pixels).toHaveLength(height * (1 + width * 3));
  expect(drawPng('key').equals(drawPng('key'))).toBe(true);
  expect(drawPng('key').equals(drawPng('other'))).toBe(false);
});
