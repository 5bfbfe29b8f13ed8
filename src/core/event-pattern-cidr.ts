import ipaddr from 'ipaddr.js';

/**
 * IP addresses and blocks of them as texts of bits, so that "inside the block" is "begins with the block's bits".
 * https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-ip-matching
 */

/** The longest text that can be an address: eight groups of four hexadecimal digits. Longer ones are not even parsed. */
const longestAddress = 39;

/**
 * The family (`4` or `6`) and the bits of an address; undefined for any other text.
 * Addresses are written in full decimal or hexadecimal form: `10.1`, `010.0.0.1` (octal to some), zones and IPv6 with a
 * dotted end are none. IPv6 that maps an IPv4 address counts as that address.
 */
export function addressBits(text: string): string | undefined {
  if (text.length > longestAddress || !/^[0-9a-f:.]+$/i.test(text)) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return `4${bits(ipaddr.IPv4.parse(text))}`;
  if (text.includes('.') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? `4${bits(address.toIPv4Address())}` : `6${bits(address)}`;
}

/**
 * The family and the network's bits of a block like `10.0.0.0/24`; bits of the host are allowed and do not count.
 * Masks of a single address (/32, /128) are refused as event-ruler refuses them: an exact value says the same.
 *
 * @returns `network`, or in `wrong` why the text is no block
 */
export function parseCidr(text: string): { network: string } | { wrong: string } {
  const [address = '', mask = '', ...more] = text.split('/');
  const all = addressBits(address);
  if (all === undefined || more.length > 0 || !/^\d{1,3}$/.test(mask))
    return { wrong: `must be an address block like "10.0.0.0/24" or "2001:db8::/32", not ${JSON.stringify(text)}` };
  const most = all.startsWith('4') ? 31 : 127;
  if (Number(mask) > most)
    return {
      wrong: `the mask of ${JSON.stringify(text)} must be 0 to ${most} (match a single address as a plain value)`,
    };
  return { network: all.slice(0, 1 + Number(mask)) };
}

function bits(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  let text = '';
  for (const byte of address.toByteArray()) text += byte.toString(2).padStart(8, '0');
  return text;
}
