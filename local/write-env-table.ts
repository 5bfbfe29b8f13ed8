import { readFile, writeFile } from 'node:fs/promises';
import { withTables } from './readme-tables.ts';

/** `npm run docs:env`: writes the README's tables of environment variables, problem codes and metrics anew. */
const readme = new URL('../README.md', import.meta.url);
await writeFile(readme, await withTables(await readFile(readme, 'utf8')));
