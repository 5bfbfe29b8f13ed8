import { expect, test } from 'vitest';
import { objectsIn, withObjectBytes } from './converse-objects.ts';

const at = (uri: string) => ({ s3Location: { uri } });
const request = {
  system: [{ text: 's3://not/this' }],
  messages: [
    {
      role: 'user',
      content: [
        { text: 's3://nor/this' },
        { image: { format: 'png', source: at('s3://b/a.png') } },
        { document: { format: 'pdf', name: 'd', source: at('s3://b/d.pdf') } },
        { video: { format: 'mp4', source: { bytes: 'AAAA' } } },
        { toolResult: { toolUseId: 't', content: [{ image: { format: 'png', source: at('s3://b/a.png') } }] } },
      ],
    },
  ],
};

test('names each object of images, documents, videos and results of tools once', () => {
  expect(objectsIn(request)).toEqual(['s3://b/a.png', 's3://b/d.pdf']);
  for (const odd of [{}, { messages: 7 }, { messages: [null, { content: [null, { image: 1 }, { toolResult: {} }] }] }])
    expect(objectsIn(odd)).toEqual([]);
});

test('puts the bytes into their places, leaves the rest, and changes nothing of what it was given', () => {
  const before = structuredClone(request);
  const sent = withObjectBytes(request, new Map([['s3://b/a.png', 'QQ==']]));
  expect(sent).toEqual({
    ...request,
    messages: [
      {
        role: 'user',
        content: [
          request.messages[0]?.content[0],
          { image: { format: 'png', source: { bytes: 'QQ==' } } },
          request.messages[0]?.content[2],
          request.messages[0]?.content[3],
          { toolResult: { toolUseId: 't', content: [{ image: { format: 'png', source: { bytes: 'QQ==' } } }] } },
        ],
      },
    ],
  });
  expect(request).toEqual(before);
});
