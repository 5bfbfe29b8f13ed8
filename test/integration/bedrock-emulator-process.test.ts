import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { ConverseCommand } from '@aws-sdk/client-bedrock-runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { ask, errorOf, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0)) await step();
});

function startProcess(env: Record<string, string>) {
  const child = spawn(process.execPath, ['local/bedrock/main.ts'], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanUp.push(() => child.kill('SIGKILL'));
  return { child, exited: once(child, 'exit'), stderr: text(child.stderr) };
}

async function listeningUrl(child: ReturnType<typeof startProcess>['child']): Promise<string> {
  let line = '';
  for await (const chunk of child.stdout) {
    line += chunk;
    const url = /listens on (\S+)\n/.exec(line)?.[1];
    if (url) return url;
  }
  throw new Error(`it ended: ${line}`);
}

describe('as a process of its own', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with 0, with calls in flight', async (signal) => {
    const { child, exited, stderr } = startProcess({ EMULATOR_PORT: '0' });
    const url = await listeningUrl(child);
    await fetch(`${url}/_emulator/faults`, { method: 'PUT', body: '{"kind":"hang"}' });
    const body = JSON.stringify(ask('hello'));
    const hanging = fetch(`${url}/model/amazon.nova-lite-v1:0/converse`, { method: 'POST', body }).catch(
      () => 'broken',
    );
    await eventually(async () => (await (await fetch(`${url}/_emulator/stats`)).text()).includes('"started":1'), {
      timeoutMs: 10_000,
      what: 'the call hangs',
    });
    child.kill(signal);
    expect(await exited).toEqual([0, null]);
    expect(await hanging).toBe('broken');
    expect(await stderr).toBe('');
  });

  it('says in one line which port is in use and which variable moves it', async () => {
    const emulator = await startTestEmulator();
    cleanUp.push(emulator.stop);
    const { exited, stderr } = startProcess({ EMULATOR_PORT: String(emulator.port) });
    expect(await exited).toEqual([1, null]);
    expect(await stderr).toBe(
      `bedrock emulator: port ${emulator.port} on 127.0.0.1 is in use: set EMULATOR_PORT to another one\n`,
    );
  });

  it('says in one line which variable is wrong', async () => {
    const { exited, stderr } = startProcess({ EMULATOR_LATENCY: 'maybe' });
    expect(await exited).toEqual([1, null]);
    expect(await stderr).toMatch(/^bedrock emulator: EMULATOR_LATENCY: [^\n]+\n$/);
  });
});

describe('clients that die', () => {
  it.each([
    [
      'over HTTP/1.1',
      `const { request } = await import('node:http');
       const call = () => request(url + path, { method: 'POST' }).on('error', () => {}).end(body);`,
    ],
    [
      'over HTTP/2',
      `const { connect } = await import('node:http2');
       const session = connect(url).on('error', () => {});
       const call = () => session.request({ ':method': 'POST', ':path': path }).on('error', () => {}).end(body);`,
    ],
  ])('%s: every call of a killed process is counted as aborted', async (_, prepare) => {
    const emulator = await startTestEmulator();
    cleanUp.push(emulator.stop);
    await emulator.addFault({ kind: 'hang' });
    const modelId = 'amazon.nova-lite-v1:0';
    const script = `
      const url = ${JSON.stringify(emulator.url)}, path = '/model/${modelId}/converse';
      const body = ${JSON.stringify(JSON.stringify(ask('hello', 10)))};
      ${prepare}
      for (let i = 0; i < 20; i += 1) call();`;
    const client = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    cleanUp.push(() => client.kill('SIGKILL'));
    await eventually(async () => (await emulator.statsOf(modelId)).started === 20, {
      timeoutMs: 20_000,
      what: 'all hang',
    });
    client.kill('SIGKILL');
    await eventually(async () => (await emulator.statsOf(modelId)).aborted === 20, {
      timeoutMs: 20_000,
      what: 'all end',
    });
  });
});

describe('stop', () => {
  it('leaves nothing behind that would keep a process alive', async () => {
    const script = `
      import { startEmulator } from './local/bedrock/emulator.ts';
      const emulator = await startEmulator({ port: 0, asyncMs: 3_600_000, s3Endpoint: 'http://127.0.0.1:1' });
      const url = 'http://127.0.0.1:' + emulator.port;
      const send = (method, path, body) => fetch(url + path, { method, body: JSON.stringify(body) });
      const hour = { firstTokenMs: 3_600_000, perTokenMs: 0, spread: 0 };
      await send('PUT', '/_emulator/models/amazon.nova-lite-v1:0', { latency: hour });
      const hello = { messages: [{ role: 'user', content: [{ text: 'hello' }] }] };
      send('POST', '/model/amazon.nova-lite-v1:0/converse', hello).catch(() => {});
      send('POST', '/model/amazon.nova-lite-v1:0/converse-stream', hello).catch(() => {});
      const s3Uri = 's3://bucket';
      await send('POST', '/async-invoke', {
        modelId: 'amazon.nova-reel-v1:1', modelInput: {}, outputDataConfig: { s3OutputDataConfig: { s3Uri } },
      });
      for (;;) {
        const { models } = await (await fetch(url + '/_emulator/stats')).json();
        if (models['amazon.nova-lite-v1:0']?.started === 2 && models['amazon.nova-reel-v1:1']?.started === 1) break;
      }
      await emulator.stop();
      console.log('stopped');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanUp.push(() => child.kill('SIGKILL'));
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(output).toBe('stopped\n');
    expect(code).toBe(0);
  });

  it('breaks off calls and connections, and may be called twice', async () => {
    const emulator: TestEmulator = await startTestEmulator();
    await emulator.addFault({ kind: 'hang' });
    const hanging = errorOf(emulator.http1Client.send(new ConverseCommand(ask('hello'))));
    const idle = connect(emulator.port, '127.0.0.1');
    idle.on('error', () => undefined);
    await once(idle, 'connect');
    await eventually(async () => Object.keys((await emulator.statsOf(ask('').modelId)).prompts).length === 1, {
      timeoutMs: 10_000,
      what: 'the call hangs',
    });
    const closed = once(idle, 'close');
    await emulator.stop();
    await emulator.stop();
    await closed;
    expect((await hanging).name).not.toMatch(/Exception$/);
    await expect(fetch(emulator.url)).rejects.toThrow();
  });
});
