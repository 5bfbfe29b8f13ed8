import { type Content, type GroupKey, type ReduceCalls, reducePart } from './reduce-part.ts';
import { estimateInputTokens } from './token-estimate.ts';

/**
 * From the contents of records to the calls of one level of a reduce. Pure, and of bounded memory: contents come one by
 * one and calls go out as they fill up; what is kept is the open part of each group. The calls are made of the order of
 * the contents alone: the same contents give the same calls, byte by byte.
 */

/** More keys than a person would read a report about; each has an open part in memory. */
export const mostGroups = 1_000;
/** As JSON: a key is a name, not a text. */
export const mostKeyBytes = 1_000;
export const defaultRecordsPerCall = 100;
/** Leaves most of the smallest contexts (128,000 tokens) to how far the estimate is off, and to the answer. */
export const mostTokensPerCall = 60_000;
/** Some 5,000 tokens: twelve of the longest fit into a call, so that each level has fewer calls than the one below. */
export const mostContentCharacters = 20_000;
/**
 * In the open parts of all groups together. Above it the fullest part is closed early: 1,000 groups could hold a quarter of
 * a gigabyte otherwise.
 */
const mostOpenCharacters = 32_000_000;
/** The tags around a content. */
const tokensPerContent = 30;

export interface PlannedCall {
  id: string;
  key: GroupKey;
  /** Records behind it. */
  count: number;
  /** A Converse request. */
  input: Record<string, unknown>;
}

export interface PackLimits {
  recordsPerCall: number;
  tokensPerCall?: number;
  openCharacters?: number;
}

export interface CallPacker {
  /** The calls that are full now; none or a few. Throws TooManyGroups. */
  add(key: GroupKey, content: Content): PlannedCall[];
  /** What was still open, in the order in which the groups were first seen. */
  end(): PlannedCall[];
  /** Groups seen so far. */
  groups(): number;
}

export class TooManyGroups extends Error {
  readonly code = 'too_many_groups';

  constructor() {
    super(`groupBy gives more than ${mostGroups} different keys`);
  }
}

interface OpenPart {
  key: GroupKey;
  contents: Content[];
  tokens: number;
  characters: number;
  /** A call of its group has gone out. */
  hasCalls: boolean;
}

/** Packs the contents of one level. Above level 1, a group with one answer in all is finished and gets no call. */
export function createCallPacker(calls: ReduceCalls, limits: PackLimits): CallPacker {
  const { recordsPerCall, tokensPerCall = mostTokensPerCall, openCharacters = mostOpenCharacters } = limits;
  const parts = new Map<string, OpenPart>();
  const overheadTokens = estimateInputTokens(reducePart(calls, 'x'.repeat(500), []));
  // Of one answer, a call gives one answer: the levels would not end.
  const leastContents = calls.level === 1 ? 1 : 2;
  let characters = 0;
  let made = 0;

  const close = (part: OpenPart): PlannedCall => {
    const { key, contents } = part;
    const call = {
      id: `${calls.step}@${calls.level}-${made}`,
      key,
      count: contents.reduce((sum, { count }) => sum + count, 0),
      input: reducePart(calls, key, contents),
    };
    made += 1;
    characters -= part.characters;
    Object.assign(part, { contents: [], tokens: overheadTokens, characters: 0, hasCalls: true });
    return call;
  };
  const partOf = (key: GroupKey): OpenPart => {
    const name = JSON.stringify(key);
    const known = parts.get(name);
    if (known !== undefined) return known;
    if (parts.size >= mostGroups) throw new TooManyGroups();
    const part = { key, contents: [], tokens: overheadTokens, characters: 0, hasCalls: false };
    parts.set(name, part);
    return part;
  };
  /** Of at least two contents: a call over one answer would be for nothing, and level upon level without an end. */
  const fullest = (): OpenPart | undefined =>
    [...parts.values()]
      .filter(({ contents }) => contents.length > 1)
      .reduce<OpenPart | undefined>(
        (most, part) => (part.characters > (most?.characters ?? -1) ? part : most),
        undefined,
      );

  return {
    add(key, { text, count }) {
      const content = { text: cutText(text, mostContentCharacters), count };
      const tokens = estimateInputTokens(content.text) + tokensPerContent;
      const full: PlannedCall[] = [];
      const part = partOf(key);
      const isOver = part.tokens + tokens > tokensPerCall && part.contents.length >= leastContents;
      if (part.contents.length >= recordsPerCall || isOver) full.push(close(part));
      part.contents.push(content);
      part.tokens += tokens;
      part.characters += content.text.length;
      characters += content.text.length;
      while (characters > openCharacters) {
        const most = fullest();
        if (most === undefined) break;
        full.push(close(most));
      }
      return full;
    },
    end() {
      const rest = [...parts.values()].filter(
        ({ contents, hasCalls }) => contents.length > 0 && (calls.level === 1 || hasCalls || contents.length > 1),
      );
      return rest.map(close);
    },
    groups: () => parts.size,
  };
}

/** At most so many characters, the cut marked; never half of a surrogate pair. */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text
    .slice(0, most - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')}…`;
}
