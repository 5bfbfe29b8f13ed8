import { expect, it } from 'vitest';
import { makeToolInput } from './tool-input.ts';

it('fills what the schema requires', () => {
  const schema = {
    type: 'object',
    properties: {
      city: { type: 'string' },
      days: { type: 'integer' },
      unit: { enum: ['celsius', 'fahrenheit'] },
      tags: { type: 'array', items: { type: 'boolean' } },
      more: { type: 'object', required: ['at'], properties: { at: { type: 'null' } } },
      optional: { type: 'string' },
    },
    required: ['city', 'days', 'unit', 'tags', 'more'],
  };
  expect(makeToolInput(schema, 'Bern')).toEqual({
    city: 'Bern',
    days: 1,
    unit: 'celsius',
    tags: [true],
    more: { at: null },
  });
});
