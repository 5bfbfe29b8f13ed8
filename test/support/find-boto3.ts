import { findPython, type Python } from './find-python.ts';

/** A Python that has boto3, or what is missing for it. */
export function findBoto3(): Promise<Python> {
  return findPython({ module: 'boto3', install: 'boto3>=1.40', venv: '.local/boto3-venv' });
}
