import { readdir } from 'node:fs/promises';

/** `npm run bench -- NAME`: runs `NAME.bench.ts` of this folder, which measures when it is loaded; without a name, says which there are. */
const [name] = process.argv.slice(2);
const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.bench.ts'));
const names = files.map((file) => file.slice(0, -'.bench.ts'.length));
if (name === undefined || !names.includes(name)) {
  console.error(`npm run bench -- ${names.join(' | ')}`);
  process.exit(1);
}
await import(`./${name}.bench.ts`);
