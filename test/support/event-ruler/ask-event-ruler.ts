import { type ExecFileException, execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCES = 'test/support/event-ruler';
/** Kept from one run to the next; `.local/` is not in git. */
const JARS = '.local/event-ruler/jars';
const CLASSES = '.local/event-ruler/classes';
const FETCH_TIMEOUT_MS = 180_000;
const LARGEST_ANSWER_BYTES = 64 * 1024 * 1024;

/** The JSON text of a pattern and that of an event. */
export type Pair = readonly [pattern: string, event: string];
export type Verdict = 'true' | 'false' | 'invalid' | `error: ${string}`;
export type EventRuler = { ask(pairs: readonly Pair[]): Promise<Verdict[]> } | { missing: string };

/**
 * AWS's event-ruler behind a small Java program, fetched by Maven and compiled where both are at hand. Otherwise says in
 * one sentence what is missing; rejects only when our own program does not compile.
 */
export async function findEventRuler(): Promise<EventRuler> {
  for (const tool of ['java', 'javac'])
    if ((await failure(tool, ['-version'])) !== undefined) return { missing: `there is no ${tool} on the path` };
  const fetched = await fetchJars();
  if (fetched !== undefined) return { missing: fetched };
  await mkdir(CLASSES, { recursive: true });
  await run('javac', ['-cp', `${JARS}/*`, '-d', CLASSES, `${SOURCES}/EventRulerCheck.java`]);
  return { ask };
}

/** Offline first: the jars of an earlier run do not need the registry again. */
async function fetchJars(): Promise<string | undefined> {
  if ((await failure('mvn', ['-version'])) !== undefined) return 'there is no mvn (Maven) on the path';
  const copy = ['-q', '-B', '-f', `${SOURCES}/pom.xml`, 'dependency:copy-dependencies'];
  const into = `-DoutputDirectory=${process.cwd()}/${JARS}`;
  if ((await failure('mvn', ['-o', ...copy, into])) === undefined) return undefined;
  const problem = await failure('mvn', [...copy, into]);
  return problem === undefined ? undefined : `Maven could not fetch event-ruler: ${problem}`;
}

async function ask(pairs: readonly Pair[]): Promise<Verdict[]> {
  const java = run('java', ['-cp', `${CLASSES}:${JARS}/*`, 'EventRulerCheck'], { maxBuffer: LARGEST_ANSWER_BYTES });
  java.child.stdin?.end(pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  const { stdout } = await java;
  const verdicts = stdout.trimEnd().split('\n') as Verdict[];
  if (verdicts.length !== pairs.length)
    throw new Error(`event-ruler answered ${verdicts.length} of ${pairs.length} pairs`);
  return verdicts;
}

const failure = (command: string, args: string[]): Promise<string | undefined> =>
  run(command, args, { timeout: FETCH_TIMEOUT_MS }).then(
    () => undefined,
    (error: ExecFileException & { stdout?: string }) => (error.stdout || error.message).split('\n')[0],
  );
