/**
 * Token counts of the emulator: an estimate, the same for CountTokens, for `usage` and for the quota, so that a client's
 * books can be compared with the emulator's to the token. Four characters (code points) are a token, which is near
 * what the English text of real models comes to.
 */
const CHARACTERS_PER_TOKEN = 4;

/** Tokens of one image, whatever its size: what Claude counts for one of about 1.1 megapixels. */
export const TOKENS_PER_IMAGE = 1_500;
/** Tokens of one document given as bytes or by S3: about two dense pages. */
export const TOKENS_PER_DOCUMENT = 3_000;
/** Tokens of one video or audio clip. */
export const TOKENS_PER_CLIP = 5_000;

/** Tokens of `text`: 0 for the empty text, else its code points divided by four, rounded up. */
export function countTextTokens(text: string): number {
  let codePoints = 0;
  for (const _ of text) codePoints += 1;
  return Math.ceil(codePoints / CHARACTERS_PER_TOKEN);
}

/** The first `tokens` tokens of `text`; never cuts a surrogate pair in two. */
export function takeTokens(text: string, tokens: number): string {
  return Array.from(text)
    .slice(0, tokens * CHARACTERS_PER_TOKEN)
    .join('');
}

/** Cuts `text` into pieces of `tokensPerPiece` tokens each, the last one shorter. */
export function splitByTokens(text: string, tokensPerPiece: number): string[] {
  const codePoints = Array.from(text);
  const size = tokensPerPiece * CHARACTERS_PER_TOKEN;
  const pieces: string[] = [];
  for (let start = 0; start < codePoints.length; start += size) {
    pieces.push(codePoints.slice(start, start + size).join(''));
  }
  return pieces;
}
