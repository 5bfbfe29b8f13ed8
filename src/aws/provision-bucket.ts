import {
  CreateBucketCommand,
  GetBucketLifecycleConfigurationCommand,
  HeadBucketCommand,
  type LifecycleRule,
  PutBucketLifecycleConfigurationCommand,
} from '@aws-sdk/client-s3';
import type { Config } from '../runtime/config.ts';
import { awsCall } from './aws-error.ts';
import type { AwsClients } from './clients.ts';
import { sdkErrorName, unless } from './provision-unless.ts';

/** Parts of uploads that were never completed cost money and are in no listing. No join of a batch takes two days. */
const abortUploadsAfterDays = 2;
const abortRule: LifecycleRule = {
  ID: 'abort-uploads',
  Status: 'Enabled',
  Filter: { Prefix: '' },
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: abortUploadsAfterDays },
};

/**
 * Makes the bucket with its lifecycle; of one that is there, the rules stay as they are, and the one for unfinished
 * uploads is added where it is missing. Safe to repeat. Throws AwsError.
 */
export async function ensureBucket(clients: AwsClients, config: Config): Promise<void> {
  const Bucket = config.bucket;
  if (await bucketExists(clients, Bucket)) {
    const rules = await lifecycleRules(clients, Bucket);
    if (rules.every(({ ID }) => ID !== abortRule.ID)) await putLifecycle(clients, Bucket, [...rules, abortRule]);
    return;
  }
  const region = await clients.s3.config.region();
  // us-east-1 is the one region that must not be named.
  const place = region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as never } };
  await awsCall('S3 CreateBucket', () => clients.s3.send(new CreateBucketCommand({ Bucket, ...place }))).catch(
    unless('BucketAlreadyOwnedByYou'),
  );
  // Objects of jobs whose records DynamoDB has let go. Twice the retention, for jobs that were retried late.
  const Days = Math.ceil((2 * config.retentionMs) / (24 * 3600 * 1000));
  const expireRule: LifecycleRule = {
    ID: 'expire',
    Status: 'Enabled',
    Filter: { Prefix: '' },
    Expiration: { Days },
  };
  await putLifecycle(clients, Bucket, [expireRule, abortRule]);
}

async function bucketExists(clients: AwsClients, Bucket: string): Promise<boolean> {
  try {
    await awsCall('S3 HeadBucket', () => clients.s3.send(new HeadBucketCommand({ Bucket })));
    return true;
  } catch (error) {
    if (sdkErrorName(error) === 'NotFound' || sdkErrorName(error) === 'NoSuchBucket') return false;
    throw error;
  }
}

async function lifecycleRules(clients: AwsClients, Bucket: string): Promise<LifecycleRule[]> {
  try {
    const answer = await awsCall('S3 GetBucketLifecycleConfiguration', () =>
      clients.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket })),
    );
    return answer.Rules ?? [];
  } catch (error) {
    if (sdkErrorName(error) === 'NoSuchLifecycleConfiguration' || sdkErrorName(error) === 'NotImplemented') return [];
    throw error;
  }
}

async function putLifecycle(clients: AwsClients, Bucket: string, Rules: LifecycleRule[]): Promise<void> {
  await awsCall('S3 PutBucketLifecycleConfiguration', () =>
    clients.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } })),
  ).catch(unless('NotImplemented', 'MalformedXML'));
}
