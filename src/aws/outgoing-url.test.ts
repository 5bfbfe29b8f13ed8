import { describe, expect, test } from 'vitest';
import { checkedUrl, refusedUrl } from './outgoing-url.ts';

/** All the ways to write 127.0.0.1 and ::1 that a URL's parser, or a resolver, understands. */
const loopbacks = [
  '127.0.0.1',
  '127.1',
  '127.0.0.1.',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '017700000001',
  '0177.0.0.01',
  '%31%32%37.0.0.1',
  '127。0。0。1',
  '①②⑦.0.0.1',
  '0',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::127.0.0.1]',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'a.localhost',
];
const privates = ['10.0.0.1', '192.168.0.1', '172.16.0.1', '100.64.0.1', '[fd12::1]', '224.0.0.1', '255.255.255.255'];

const metadata = [
  '169.254.169.254',
  '169.254.169.254.',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '169.254.43518',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[::169.254.169.254]',
  '[64:ff9b::169.254.169.254]',
  '[2002:a9fe:a9fe::]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[fd00:0ec2:0:0::0254]',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
];

describe.each([true, false])('local mode %s', (localMode) => {
  test.each(metadata)('https://%s is never called', (host) => {
    expect(refusedUrl(`https://${host}:8443/latest`, localMode)).toBe(
      'link-local addresses and metadata services are never called',
    );
    expect(() => checkedUrl(`https://${host}/`, localMode)).toThrow(
      expect.objectContaining({ code: 'address_refused', status: undefined }),
    );
  });

  test.each([...loopbacks, ...privates])('https://%s is called in local mode only', (host) => {
    expect(refusedUrl(`https://${host}:8443/`, localMode)).toBe(
      localMode ? undefined : 'private, loopback and reserved addresses are not called',
    );
  });

  test.each([
    ['', 'not an absolute URL'],
    ['/hook', 'not an absolute URL'],
    ['https://', 'not an absolute URL'],
    ['https://1.2.3.256/', 'not an absolute URL'],
    ['https://[fe80::1%25eth0]/', 'not an absolute URL'],
    [' https://example.com', 'not an absolute URL'],
    ['https://exam\tple.com', 'not an absolute URL'],
    ['https://example.com\\@evil.net', 'not an absolute URL'],
    ['https://user@example.com', 'a URL with a user name or a password is not served'],
    ['https://:secret@example.com', 'a URL with a user name or a password is not served'],
  ])('%j is refused: %s', (url, why) => {
    expect(refusedUrl(url, localMode)).toBe(why);
    expect(() => checkedUrl(url, localMode)).toThrow(expect.objectContaining({ code: 'bad_url' }));
  });

  test.each(['ftp://example.com', 'file:///etc/passwd', 'data:,x', 'javascript:1', 'gopher://127.0.0.1'])(
    '%s is refused',
    (url) => {
      expect(refusedUrl(url, localMode)).toBe(localMode ? 'only http and https are served' : 'only https is served');
    },
  );

  test('names and public addresses are let through', () => {
    for (const host of ['example.com', 'example.com.', 'bücher.example', '8.8.8.8', '[2606:4700::1111]', 'nolocalhost'])
      expect(refusedUrl(`https://${host}:444/a?b=c#d`, localMode), host).toBeUndefined();
  });
});

test('plain http is called in local mode only', () => {
  expect(refusedUrl('http://example.com', true)).toBeUndefined();
  expect(refusedUrl('http://example.com', false)).toBe('only https is served');
  expect(() => checkedUrl('http://example.com', false)).toThrow(expect.objectContaining({ code: 'not_https' }));
});
