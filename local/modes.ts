export type Mode = 'api' | 'worker' | 'fanout-router' | 'batch-scheduler';

/** The modes that run on one machine, in the order of their start. */
export const modes: readonly Mode[] = ['api', 'worker', 'fanout-router', 'batch-scheduler'];

/** The variable that moves each mode's ops port; inside the mode's process it is PENSTOCK_OPS_PORT. */
export const opsPortVariable = {
  api: 'PENSTOCK_API_OPS_PORT',
  worker: 'PENSTOCK_WORKER_OPS_PORT',
  'fanout-router': 'PENSTOCK_FANOUT_ROUTER_OPS_PORT',
  'batch-scheduler': 'PENSTOCK_BATCH_SCHEDULER_OPS_PORT',
} as const satisfies Record<Mode, string>;
