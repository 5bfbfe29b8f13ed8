import { expect, test } from 'vitest';
import { readClientConfig } from './client-config.ts';

test('with nothing set it is the server on this machine, with its ready key', () => {
  const local = { url: 'http://127.0.0.1:8080', key: 'local-demo-key' };
  expect(readClientConfig({})).toEqual(local);
  expect(readClientConfig({ PENSTOCK_URL: '', PENSTOCK_KEY: '' })).toEqual(local);
  for (const url of ['http://localhost:1', 'http://[::1]:1', 'http://127.1.2.3'])
    expect(readClientConfig({ PENSTOCK_URL: url })).toEqual({ url, key: 'local-demo-key' });
});

test('the ready key goes to no other machine', () => {
  for (const url of ['https://penstock.example', 'http://127.0.0.1.example', 'http://localhost.example:8080'])
    expect(readClientConfig({ PENSTOCK_URL: url })).toEqual({
      problem: `PENSTOCK_KEY: needed for ${url}; keys are made by penstock keys create`,
    });
  expect(readClientConfig({ PENSTOCK_URL: 'https://a.example/p', PENSTOCK_KEY: 'pk_1' })).toEqual({
    url: 'https://a.example/p',
    key: 'pk_1',
  });
});

test('what is no URL, or no key that a header can carry, is told', () => {
  expect(readClientConfig({ PENSTOCK_URL: 'example:8080' })).toEqual({
    problem: 'PENSTOCK_URL: example:8080 is no http:// or https:// URL',
  });
  expect(readClientConfig({ PENSTOCK_KEY: 'two words' })).toEqual({
    problem: 'PENSTOCK_KEY: a key is made of letters, digits and - . _ ~ only',
  });
});
