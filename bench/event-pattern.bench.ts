import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { compilePattern, compileRules, matches } from '../src/core/event-pattern.ts';
import { makeEvents, makeRules, type Rule, workloads } from './event-pattern-workloads.ts';
import { interpret } from './interpretive-matcher.ts';

/**
 * How long one event takes against many rules: compiled together, against two baselines in the same run (each rule's
 * compiled pattern in turn, and a plain interpreter of the patterns). All must name the same rules, or it stops.
 */

const ruleCounts = [10, 100, 1000];
const config = { events: 500, warmUpMs: 200, measureMs: 600, leastRounds: 7 };
const results = 'bench/results/event-pattern.json';

type Matcher = (event: unknown) => string[];

const matchers: Record<string, (rules: readonly Rule[]) => Matcher> = {
  'rule set': (rules) => {
    const set = compileRules(rules);
    return (event) => set.matchAll(event);
  },
  'each in turn': (rules) => {
    const compiled = rules.map(({ name, pattern }) => ({ name, pattern: compilePattern(pattern) }));
    return (event) => compiled.filter(({ pattern }) => matches(pattern, event)).map(({ name }) => name);
  },
  interpreter: (rules) => (event) => rules.filter(({ pattern }) => interpret(pattern, event)).map(({ name }) => name),
};

/** Goes through all events, again and again; medians of the rounds, so that a busy machine's outliers do not count. */
function measure(matcher: Matcher, events: readonly unknown[]) {
  const round = (): void => {
    for (const event of events) matcher(event);
  };
  const until = (endMs: number, least: number, each: () => void): void => {
    for (let rounds = 0; rounds < least || performance.now() < endMs; rounds += 1) each();
  };
  until(performance.now() + config.warmUpMs, 2, round);
  const wallUs: number[] = [];
  const cpuUs: number[] = [];
  until(performance.now() + config.measureMs, config.leastRounds, () => {
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    round();
    wallUs.push(((performance.now() - startMs) * 1000) / events.length);
    const { user, system } = process.cpuUsage(cpu);
    cpuUs.push((user + system) / events.length);
  });
  return { usPerEvent: median(wallUs), cpuUsPerEvent: median(cpuUs), rounds: wallUs.length };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function run() {
  const events = makeEvents(config.events);
  return workloads.flatMap((workload) =>
    ruleCounts.flatMap((ruleCount) => {
      const rules = makeRules(workload, ruleCount);
      const startMs = performance.now();
      compileRules(rules);
      const compileMs = performance.now() - startMs;
      const expected = events.map(matchers['each in turn']?.(rules) ?? (() => []));
      const matchesPerEvent = expected.flat().length / events.length;
      return Object.entries(matchers).map(([matcher, make]) => {
        const made = make(rules);
        // The interpreter takes parts from different elements of an array: there, it may name more.
        const same = events.every((event, index) => isDeepStrictEqual(made(event), expected[index]));
        if (!same && matcher !== 'interpreter') throw new Error(`${matcher} names other rules in ${workload.name}`);
        const compiled = matcher === 'rule set' ? { compileMs } : {};
        return {
          workload: workload.name,
          rules: ruleCount,
          matcher,
          matchesPerEvent,
          ...measure(made, events),
          ...compiled,
        };
      });
    }),
  );
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

function print(rows: ReturnType<typeof run>): void {
  const cells = [
    ['workload', 'rules', 'matcher', 'matches', 'us/event', 'events/s', 'CPU us/event', 'CPU, times'],
    ...rows.map((row) => {
      const ours = rows.find(({ workload, rules }) => workload === row.workload && rules === row.rules);
      return [
        row.workload,
        String(row.rules),
        row.matcher,
        row.matchesPerEvent.toFixed(1),
        row.usPerEvent.toFixed(2),
        Math.round(1e6 / row.usPerEvent).toLocaleString('en'),
        row.cpuUsPerEvent.toFixed(2),
        (row.cpuUsPerEvent / (ours?.cpuUsPerEvent ?? Number.NaN)).toFixed(1),
      ];
    }),
  ];
  for (const line of cells)
    console.log(line.map((cell, at) => (at % 2 === 0 && at < 3 ? cell.padEnd(14) : cell.padStart(14))).join('  '));
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  loadBefore: loadavg()[0],
};
const rows = run();
print(rows);
const commit = { id: git('rev-parse', 'HEAD'), withChanges: git('status', '--porcelain') !== '' };
const about = Object.fromEntries(workloads.map(({ name, about }) => [name, about]));
const report = { at: new Date().toISOString(), machine, commit, config, workloads: about, rows };
writeFileSync(results, `${JSON.stringify(report, null, 2)}\n`);
console.log(`written to ${results}`);
