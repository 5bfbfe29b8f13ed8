/** Where an object is, as the SDK takes it. */
export interface ObjectPlace {
  Bucket: string;
  Key: string;
}

/** `s3://bucket/key` names an object anywhere; everything else is a key of `bucket`. */
export function placeOf(bucket: string, name: string): ObjectPlace {
  const [, other, key] = /^s3:\/\/([^/]+)\/(.*)$/s.exec(name) ?? [];
  return other === undefined ? { Bucket: bucket, Key: name } : { Bucket: other, Key: key ?? '' };
}
