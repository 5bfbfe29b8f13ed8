import { describe, expect, it } from 'vitest';
import { findPassages, PASSAGES_PER_QUERY, type PassageQuery } from './passages.ts';

const QUERY: PassageQuery = { seed: 's', key: 'kb:KB12345678', text: 'how deep is it', limit: 5, nextToken: undefined };

function readAll(query: PassageQuery) {
  const pages = [findPassages(query)];
  for (let token = pages[0]?.nextToken; token !== undefined; token = pages.at(-1)?.nextToken) {
    pages.push(findPassages({ ...query, nextToken: token }));
  }
  return pages;
}

describe('findPassages', () => {
  it('names the knowledge base and quotes the query in every passage', () => {
    for (const { text } of findPassages(QUERY).passages) expect(text).toContain('kb:KB12345678 on "how deep is it"');
  });

  it('gives the same passages again, and others for another query', () => {
    expect(findPassages(QUERY)).toEqual(findPassages({ ...QUERY }));
    expect(findPassages({ ...QUERY, text: 'how wide is it' }).passages[0]?.text).not.toBe(
      findPassages(QUERY).passages[0]?.text,
    );
  });

  it.each([1, 5, 11, 12, 100])('leads through all of them, best first, in pages of %i', (limit) => {
    const pages = readAll({ ...QUERY, limit });
    const passages = pages.flatMap((page) => page.passages);
    expect(pages).toHaveLength(Math.ceil(PASSAGES_PER_QUERY / limit));
    expect(new Set(passages.map(({ uri }) => uri)).size).toBe(PASSAGES_PER_QUERY);
    expect(passages.map(({ score }) => score)).toEqual(passages.map(({ score }) => score).toSorted((a, b) => b - a));
    for (const { score } of passages) expect(score).toBeGreaterThan(0);
  });

  it('takes a token for the query only that it was given for', () => {
    const { nextToken } = findPassages(QUERY);
    for (const query of [
      { ...QUERY, text: 'another', nextToken },
      { ...QUERY, key: 'kb:KB00000000', nextToken },
      { ...QUERY, nextToken: 'x' },
    ]) {
      expect(() => findPassages(query)).toThrow('The nextToken is not one of this query.');
    }
  });
});
