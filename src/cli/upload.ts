import { openAsBlob } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { fileIdPattern } from '../core/batch-id.ts';
import { type FileView, fileViewSchema, readAs } from './batch-view.ts';
import { wrongUsage } from './cli-error.ts';
import { contentTypeOf, isDataset, knownExtensions } from './content-types.ts';
import type { Server } from './server.ts';
import { say, type Terminal } from './terminal.ts';

interface UploadDeps {
  server: Server;
  terminal: Terminal;
}

/**
 * What `input` of a batch is, for what was typed: a file id or an S3 URI as it is; a file, uploaded; a folder, whose
 * files are uploaded one by one and listed. Throws CliError (2 for what cannot be uploaded).
 */
export async function inputOf(deps: UploadDeps, typed: string): Promise<string> {
  if (typed.startsWith('s3://') || fileIdPattern.test(typed)) return typed;
  const found = await stat(typed).catch(() => undefined);
  if (found === undefined) throw wrongUsage(`there is no file ${typed}`);
  if (found.isDirectory()) return uploadFolder(deps, typed);
  const contentType = contentTypeOf(typed);
  if (contentType === undefined) throw wrongUsage(`${typed}: its name ends with none of ${knownExtensions.join(', ')}`);
  const file = await uploadFile(deps, { path: typed, name: basename(typed), contentType });
  say(deps.terminal, `Uploaded ${file.records === undefined ? typed : `${typed}: ${file.records} records`}`);
  return file.id;
}

/** Streams one file from the disk. Throws CliError. */
async function uploadFile(
  { server }: UploadDeps,
  { path, name, contentType }: { path: string; name: string; contentType: string },
): Promise<FileView> {
  return sendFile(server, name, await openAsBlob(path, { type: contentType }));
}

/** A server takes names of up to 200 characters, without folders; their end says what they are. */
const longestName = 200;

async function sendFile(server: Server, name: string, body: Blob): Promise<FileView> {
  const sent = (name.split('/').at(-1) as string).slice(-longestName);
  return readAs(fileViewSchema, await server.upload(`/v1/files?name=${encodeURIComponent(sent)}`, body));
}

/** Each picture or document of a folder becomes a record `{name, uri, contentType}`. */
async function uploadFolder(deps: UploadDeps, folder: string): Promise<string> {
  const { server, terminal } = deps;
  const names = await filesIn(folder);
  const items = names.flatMap((name) => {
    const contentType = contentTypeOf(name);
    return contentType === undefined || isDataset(contentType) ? [] : [{ name, contentType }];
  });
  if (items.length === 0)
    throw wrongUsage(`${folder} has no pictures, documents or video (${knownExtensions.join(', ')})`);
  if (items.length < names.length) say(terminal, `Left out: ${names.length - items.length} files of other kinds`);
  const lines: string[] = [];
  for (const [index, { name, contentType }] of items.entries()) {
    say(terminal, `Uploading ${index + 1} of ${items.length}: ${name}`);
    const { uri } = await uploadFile(deps, { path: join(folder, name), name, contentType });
    lines.push(`${JSON.stringify({ name, uri, contentType })}\n`);
  }
  const listing = new Blob(lines, { type: 'application/jsonl' });
  return (await sendFile(server, `${basename(resolve(folder))}.jsonl`, listing)).id;
}

/** Names relative to the folder, in order; hidden files are nobody's records. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((name) => !name.split('/').some((part) => part.startsWith('.')))
    .sort();
}
