import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * What every process says of itself, read at each scrape. prom-client's own default metrics would be four times as many
 * series, most of which nobody looks at, and watch each garbage collection.
 */
export function watchProcess(registers: Registry[]): void {
  watchEventLoop(registers);
  new Gauge({
    name: 'penstock_memory_bytes',
    help: 'Memory of the process: all of it (rss), and what objects use of the heap',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapUsed } = process.memoryUsage();
      this.set({ kind: 'rss' }, rss);
      this.set({ kind: 'heap_used' }, heapUsed);
    },
  });
  let counted = 0;
  new Counter({
    name: 'penstock_cpu_seconds_total',
    help: 'CPU time of the process, user and system',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      const seconds = (user + system) / 1e6;
      this.inc(Math.max(0, seconds - counted));
      counted = seconds;
    },
  });
}

function watchEventLoop(registers: Registry[]): void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  new Gauge({
    name: 'penstock_event_loop_lag_seconds',
    help: '99th percentile of the event loop delay since the last scrape',
    registers,
    collect() {
      const seconds = delay.percentile(99) / 1e9;
      this.set(Number.isFinite(seconds) ? seconds : 0);
      delay.reset();
    },
  });
}
