import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { describe, expect, test } from 'vitest';
import { createTables, type Tables } from './tables.ts';

type Answer = Record<string, unknown> | Error;

/** Tables over a client that keeps what it is asked and gives the answers, in order. */
function tablesWith(...answers: Answer[]): { tables: Tables; sent: Record<string, unknown>[] } {
  const sent: Record<string, unknown>[] = [];
  const send = async (command: { input: Record<string, unknown> }) => {
    sent.push(command.input);
    const answer = answers.shift() ?? {};
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { tables: createTables({ send } as unknown as DynamoDBDocumentClient, 'test-'), sent };
}
const key = { pk: 'a', sk: 'b' };
const refused = Object.assign(new Error('no'), { name: 'ConditionalCheckFailedException' });
const away = Object.assign(new Error('later'), { name: 'InternalServerError', $metadata: { httpStatusCode: 500 } });

describe('an update', () => {
  test('sets, removes, adds and deletes, each name and value replaced', async () => {
    const { tables, sent } = tablesWith({ Attributes: { pk: 'a', n: 2 } });
    const after = await tables.update('jobs', key, {
      set: { status: 'running', error: undefined, n: 0 },
      remove: ['worker', 'runBy'],
      add: { rev: 1, cancels: new Set(['x']) },
      deleteFrom: { watchers: new Set(['y']) },
      condition: { expression: '#status = :status AND #rev = :rev', values: { status: 'queued', rev: 4 } },
    });
    expect(after).toEqual({ pk: 'a', n: 2 });
    expect(sent).toEqual([
      {
        TableName: 'test-jobs',
        Key: key,
        ReturnValues: 'ALL_NEW',
        UpdateExpression:
          'SET #status = :set_status, #n = :set_n REMOVE #worker, #runBy ADD #rev :add_rev, #cancels :add_cancels DELETE #watchers :del_watchers',
        ConditionExpression: '#status = :status AND #rev = :rev',
        ExpressionAttributeNames: {
          '#status': 'status',
          '#n': 'n',
          '#worker': 'worker',
          '#runBy': 'runBy',
          '#rev': 'rev',
          '#cancels': 'cancels',
          '#watchers': 'watchers',
        },
        ExpressionAttributeValues: {
          ':set_status': 'running',
          ':set_n': 0,
          ':add_rev': 1,
          ':add_cancels': new Set(['x']),
          ':del_watchers': new Set(['y']),
          ':status': 'queued',
          ':rev': 4,
        },
      },
    ]);
  });

  test('without values sends none: DynamoDB refuses an empty map', async () => {
    const { tables, sent } = tablesWith({});
    await tables.update('jobs', key, { remove: ['a'], condition: { expression: 'attribute_exists(#pk)' } });
    expect(sent[0]).not.toHaveProperty('ExpressionAttributeValues');
    expect(sent[0]).toMatchObject({
      UpdateExpression: 'REMOVE #a',
      ExpressionAttributeNames: { '#a': 'a', '#pk': 'pk' },
    });
  });

  test('gives undefined when its condition did not hold, and throws when nobody answered', async () => {
    const { tables } = tablesWith(refused, away);
    const update = { set: { a: 1 }, condition: { expression: '#a = :b', values: { b: 1 } } };
    expect(await tables.update('jobs', key, update)).toBeUndefined();
    await expect(tables.update('jobs', key, update)).rejects.toMatchObject({ name: 'AwsError', code: 'unavailable' });
  });
});

describe('a put and a delete', () => {
  test('carry their condition', async () => {
    const { tables, sent } = tablesWith();
    expect(await tables.put('jobs', { ...key, a: 1 }, { expression: 'attribute_not_exists(#pk)' })).toBe(true);
    expect(await tables.put('control', key)).toBe(true);
    expect(await tables.delete('jobs', key, { expression: '#rev = :rev', values: { rev: 3 } })).toBe(true);
    expect(sent).toEqual([
      {
        TableName: 'test-jobs',
        Item: { ...key, a: 1 },
        ConditionExpression: 'attribute_not_exists(#pk)',
        ExpressionAttributeNames: { '#pk': 'pk' },
      },
      { TableName: 'test-control', Item: key },
      {
        TableName: 'test-jobs',
        Key: key,
        ConditionExpression: '#rev = :rev',
        ExpressionAttributeNames: { '#rev': 'rev' },
        ExpressionAttributeValues: { ':rev': 3 },
      },
    ]);
  });

  test('give false when it did not hold', async () => {
    const { tables } = tablesWith(refused, refused);
    const never = { expression: 'attribute_not_exists(#pk)' };
    expect(await tables.put('jobs', key, never)).toBe(false);
    expect(await tables.delete('jobs', key, never)).toBe(false);
  });
});

describe('reads', () => {
  test('are strongly consistent', async () => {
    const { tables, sent } = tablesWith({ Item: key }, { Responses: { 'test-jobs': [key] } }, { Items: [key] });
    expect(await tables.get('jobs', key)).toEqual(key);
    expect(await tables.getMany('jobs', [key])).toEqual([key]);
    expect(await tables.partition('jobs', 'a', ['pk', 'sk'])).toEqual([key]);
    expect(sent).toMatchObject([
      { ConsistentRead: true },
      { RequestItems: { 'test-jobs': { ConsistentRead: true } } },
      {
        ConsistentRead: true,
        ProjectionExpression: '#pk, #sk',
        ExpressionAttributeNames: { '#pk': 'pk', '#sk': 'sk' },
      },
    ]);
  });

  test('of many items come in hundreds, and what DynamoDB left out is asked for again', async () => {
    const keys = Array.from({ length: 150 }, (_, index) => ({ pk: `p${index}`, sk: 's' }));
    const { tables, sent } = tablesWith(
      {
        Responses: { 'test-jobs': keys.slice(0, 60) },
        UnprocessedKeys: { 'test-jobs': { Keys: keys.slice(60, 100) } },
      },
      { Responses: { 'test-jobs': keys.slice(60) } },
    );
    expect(await tables.getMany('jobs', keys)).toEqual(keys);
    const asked = sent.map(
      (input) => (input.RequestItems as Record<string, { Keys: unknown[] }>)['test-jobs']?.Keys.length,
    );
    expect(asked).toEqual([100, 90]);
  });

  test('of no items ask nothing', async () => {
    const { tables, sent } = tablesWith();
    expect(await tables.getMany('jobs', [])).toEqual([]);
    expect(sent).toEqual([]);
  });

  test('of a partition go on to its last page', async () => {
    const { tables, sent } = tablesWith({ Items: [{ n: 1 }], LastEvaluatedKey: key }, { Items: [{ n: 2 }] });
    expect(await tables.partition('jobs', 'a')).toEqual([{ n: 1 }, { n: 2 }]);
    expect(sent[1]).toMatchObject({ ExclusiveStartKey: key });
    expect(sent[0]).not.toHaveProperty('ProjectionExpression');
  });

  test('of the index are newest first, a page at a time', async () => {
    const { tables, sent } = tablesWith({ Items: [key], LastEvaluatedKey: key }, {});
    expect(await tables.listByTime('demo', 20)).toEqual({ items: [key], lastKey: key });
    expect(await tables.listByTime('demo', 20, key)).toEqual({ items: [] });
    expect(sent[0]).toMatchObject({
      TableName: 'test-jobs',
      IndexName: 'by-tenant',
      ScanIndexForward: false,
      Limit: 20,
    });
    expect(sent[1]).toMatchObject({ ExclusiveStartKey: key });
  });
});
