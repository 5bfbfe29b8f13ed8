import { startStack } from './test/support/stack.ts';
import { nova, claude, testLanes, testLimits } from './test/support/test-lanes.ts';
const stack = await startStack({ router: 1, lanes: testLanes(), limits: testLimits, latency: 'none' });
try {
  const r = await stack.request('POST', '/v1/fanouts', { headers: { prefer: 'wait=20' }, body: { input: { messages: [{ role: 'user', content: [{ text: 'why is the sky blue' }] }] }, branches: [{ name: 'a', model: nova }, { name: 'b', model: claude }, { name: 'c', model: nova, input: { system: [{ text: 'be short' }] } }] } });
  console.log(r.status, JSON.stringify(r.body).slice(0, 1500));
  for (const reduce of ['synthesize', 'judge']) { const r2 = await stack.request('POST', '/v1/fanouts', { headers: { prefer: 'wait=20' }, body: { input: { messages: [{ role: 'user', content: [{ text: 'why is the sky blue' }] }] }, branches: [{ name: 'a', model: nova }, { name: 'b', model: claude }], reduce } });
  console.log(r2.status, (r2.body as any).status, JSON.stringify((r2.body as any).output).slice(-500), JSON.stringify((r2.body as any).usage)); }
  const r3 = await stack.request('POST', '/v1/fanouts', { headers: { prefer: 'wait=20' }, body: { input: { messages: [{ role: 'user', content: [{ text: 'x '.repeat(5000) }] }] } } });
  console.log(r3.status, (r3.body as any).status, JSON.stringify((r3.body as any).error), JSON.stringify((r3.body as any).branches), JSON.stringify((r3.body as any).output).slice(-300));
  const r4 = await stack.request('POST', '/v1/fanouts', { body: { input: {}, branches: [{ name: 'a', model: 'nope' }, { name: 'a', model: nova }], join: { policy: 'quorum', count: 5 } } });
  console.log(r4.status, JSON.stringify(r4.body));
  const r5 = await stack.request('POST', '/v1/fanouts', { body: { input: { messages: [{ role: 'user', content: [{ text: 'q' }] }] }, branches: [{ name: 'a', model: 'nope' }, { name: 'b', http: 'http://169.254.169.254/x' }] } });
  console.log(r5.status, JSON.stringify(r5.body));
} catch (e) { console.log(e); } finally { console.log(stack.routers[0]!.logs().slice(-3000)); await stack.stop(); }
