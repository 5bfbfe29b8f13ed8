/**
 * The size of a DynamoDB item in bytes, by which writes are billed (1 KB a unit).
 * Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
 */
export function itemSize(item: object): number {
  return Object.entries(item)
    .filter(([, value]) => value !== undefined)
    .reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueSize(value), 0);
}

function valueSize(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value === 'number') return numberSize(value);
  if (typeof value === 'boolean' || value === null) return 1;
  // Maps and lists: 3 bytes, and 1 more for each member.
  if (Array.isArray(value)) return 3 + value.reduce((sum: number, item) => sum + 1 + valueSize(item), 0);
  if (typeof value === 'object' && value !== null) return 3 + Object.keys(value).length + itemSize(value);
  throw new TypeError(`no size is known of a ${typeof value}`);
}

/** Leading and trailing zeros are trimmed; two digits a byte, one byte for the exponent, one more below zero. */
function numberSize(value: number): number {
  const digits = value.toExponential().replace(/e.*/, '').replace(/[-.]/g, '').length;
  return Math.ceil(digits / 2) + 1 + (value < 0 ? 1 : 0);
}
