import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * Which addresses requests to callers' URLs may go to: any URL of theirs is asked from inside the account's network,
 * with whatever that network trusts (server-side request forgery).
 *
 * - `public`: anybody's on the internet.
 * - `local`: private, loopback, CGNAT, unique-local, multicast, broadcast, unspecified, reserved: in local mode only.
 * - `never`: link-local and the metadata services of clouds, which give out the task's credentials. In no mode.
 */
export type AddressClass = 'public' | 'local' | 'never';

/**
 * Metadata services and their like outside the link-local ranges:
 * fd00:ec2::/32 AWS (metadata ::254, EKS pod identity ::23, time, DNS), fd20:ce::254 Google, 100.100.100.200 Alibaba,
 * 168.63.129.16 Azure (a public address that every machine there has inside), 192.0.0.192 Oracle.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 */
const metadataRanges = [
  'fd00:ec2::/32',
  'fd20:ce::254/128',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
];
const metadata = metadataRanges.map((range) => ipaddr.parseCIDR(range));

/** The class of an address as DNS or a parsed URL gives it; what is no address is `never`. Pure. */
export function addressClass(address: string): AddressClass {
  if (isIP(address) === 0) return 'never';
  const parsed = ipaddr.parse(address);
  if (isMetadata(parsed) || parsed.range() === 'linkLocal') return 'never';
  if (parsed.kind() === 'ipv4') return parsed.range() === 'unicast' ? 'public' : 'local';
  const ipv6 = parsed as ipaddr.IPv6;
  const embedded = embeddedIpv4(ipv6);
  if (embedded === undefined) return ipv6.range() === 'unicast' ? 'public' : 'local';
  const inner = addressClass(embedded.address);
  return inner === 'public' && !embedded.isRoutable ? 'local' : inner;
}

function isMetadata(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return metadata.some(([range, bits]) => range.kind() === address.kind() && address.match(range as never, bits));
}

/**
 * The IPv4 address that an IPv6 one stands for: whoever translates it delivers it there.
 * `isRoutable`: mapped ones are dialled as IPv4, and NAT64's (RFC 6052) are what DNS64 gives in IPv6-only subnets for
 * receivers that have only IPv4. IPv4-compatible, RFC 6145 and 6to4 ones lead nowhere that anybody needs.
 */
function embeddedIpv4(ipv6: ipaddr.IPv6): { address: string; isRoutable: boolean } | undefined {
  const bytes = ipv6.toByteArray();
  const dotted = (from: number) => bytes.slice(from, from + 4).join('.');
  const range = ipv6.range();
  if (range === 'ipv4Mapped' || range === 'rfc6052') return { address: dotted(12), isRoutable: true };
  if (range === 'rfc6145') return { address: dotted(12), isRoutable: false };
  if (range === '6to4') return { address: dotted(2), isRoutable: false };
  const isCompatible = range === 'unicast' && bytes.slice(0, 12).every((byte) => byte === 0);
  return isCompatible ? { address: dotted(12), isRoutable: false } : undefined;
}
