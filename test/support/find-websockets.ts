import { findPython, type PythonWith } from './find-python.ts';

/** A Python that has `websockets` (https://pypi.org/project/websockets/), in a virtual environment of its own where need be. */
export function findWebsockets(): Promise<PythonWith> {
  return findPython({ module: 'websockets.asyncio.client', install: 'websockets>=14', venv: '.local/websockets-venv' });
}
